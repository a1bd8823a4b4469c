"""Time the pages of one peer in one process, without a network.

Run it with that peer's settings. It reads a page of `bench.pages_table` from each line of standard
input, loads the page once, and prints a line: the time in milliseconds, or the negative status if
that is not 200. `bench.pages` runs several of these processes in turn.
"""

import os
import sys
import time

import django

# A statement that takes this long counts as failed.
PATIENCE_SECONDS = 30


def main() -> None:
    # Events are logged to standard output, which must hold only the times.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    from bench.page_names import names

    operator = get_user_model().objects.create_superuser(
        f"operator{time.time_ns()}", password="x", email="operator@example.org"
    )
    client = Client(SERVER_NAME="127.0.0.1", raise_request_exception=False)
    client.force_login(operator)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{PATIENCE_SECONDS}s'")
    known = names()
    for line in sys.stdin:
        address = line.strip().format(**known)
        started = time.perf_counter()
        answer = client.get(address)
        answer.getvalue()
        took = (time.perf_counter() - started) * 1000
        print(took if answer.status_code == 200 else -answer.status_code, file=answers, flush=True)
    operator.delete()


if __name__ == "__main__":
    main()
