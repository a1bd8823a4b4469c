"""Count the statements and commits of one call of each kind.

Run it with one peer's settings, and the calls as JSON lines on standard input. It prints JSON.
"""

import json
import sys
from typing import Any

import django


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    counted: dict[str, dict[str, Any]] = {}
    for line in sys.stdin:
        call = json.loads(line)
        connection.ensure_connection()
        connection.force_debug_cursor = True
        connection.queries_log.clear()
        answer = client.generic(
            call["method"],
            call["path"],
            call["body"],
            content_type=call["type"],
            headers=call["headers"],
        )
        asked = [str(query["sql"]).strip() for query in connection.queries_log]
        connection.force_debug_cursor = False
        counted[call["case"]] = {"status": answer.status_code, **count(asked)}
    print(json.dumps(counted))


def count(asked: list[str]) -> dict[str, int]:
    """Count statements and commits. A write outside a transaction is a commit too."""
    statements = commits = 0
    inside = False
    for sql in asked:
        word = sql.split()[0].upper().rstrip(";")
        if word == "BEGIN":
            inside = True
        elif word in {"COMMIT", "ROLLBACK"}:
            commits += word == "COMMIT"
            inside = False
        elif word not in {"SAVEPOINT", "RELEASE"}:
            statements += 1
            writes = word in {"INSERT", "UPDATE", "DELETE"} or "INSERT INTO" in sql
            commits += writes and not inside
    return {"statements": statements, "commits": commits}


if __name__ == "__main__":
    main()
