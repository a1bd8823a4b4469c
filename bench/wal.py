"""Measure what a call writes: ``python -m bench.wal``. PostgreSQL is needed.

A database of a million tokens is filled. Then one process opens sessions of random users, refreshes
them in another order, and ends them. The server's position in the write-ahead log says what each
act wrote. After a checkpoint, the first change of each page also logs the whole page, so both are
measured: calls right after a checkpoint, and calls on pages that were logged before.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench import report
from bench.peers import Peer

TOKENS, CALLS = "1M", 3000
LARGEST = 12
COMPRESSIONS = ("off", "lz4")


def main() -> None:
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "wal")
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        print(peer.manage("fill", TOKENS), end="", flush=True)
        facts = peer.call("bench.wal", "measure")
    finally:
        peer.drop()
    print(facts)
    report.write({"bench wal": _part(facts)})


def measure() -> None:
    """Log in, refresh and log out in this process, and print the facts."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from tokens.models import OutstandingToken, Session
    from tokens.revocation import revoke_session
    from tokens.sessions.issue import open_session
    from tokens.sessions.refresh import rotate

    facts: dict[str, Any] = {"sizes": _sizes(), "tokens": OutstandingToken.objects.count()}
    facts["sessions"] = Session.objects.count()
    people = list(get_user_model().objects.all()[:10_000])
    chance = random.Random(1)

    def log_out(pair: Any) -> None:
        session = Session.objects.get(pk=pair.session.pk)
        revoke_session(session=session, actor=session.user, reason="bench")

    acts: dict[str, Callable[[Any], Any]] = {
        "login": lambda user: open_session(user=user),
        "refresh": lambda pair: rotate(refresh=pair.refresh),
        "logout": log_out,
    }
    for compression in COMPRESSIONS:
        _ask("SELECT set_config('wal_compression', %s, false)", compression)
        over: list[Any] = chance.choices(people, k=2 * CALLS)
        for name, act in acts.items():
            chance.shuffle(over)
            _ask("CHECKPOINT")
            cold, first = _written(act, over[:CALLS])
            warm, later = _written(act, over[CALLS:])
            facts[f"{name} {compression}"] = [cold, warm]
            over = first + later
    print(json.dumps(facts))


def _written(act: Callable[[Any], Any], over: list[Any]) -> tuple[float, list[Any]]:
    """Return how many bytes an act wrote on average, and what the acts returned."""
    before = _ask("SELECT pg_current_wal_insert_lsn()")
    results = [act(one) for one in over]
    written = _ask("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", before)
    return float(written) / len(over), results


def _ask(sql: str, *params: object) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0] if cursor.description else None


def _sizes() -> list[tuple[str, int, int]]:
    """Return the largest tables, with the bytes of their rows and of their indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " ORDER BY pg_total_relation_size(oid) DESC LIMIT %s",
            [LARGEST],
        )
        return list(cursor.fetchall())


def _part(facts: dict[str, Any]) -> str:
    tokens = facts["tokens"]
    lines = [
        "### What a call writes",
        "",
        f"`python -m bench.wal` on {datetime.now(UTC):%Y-%m-%d}, PostgreSQL, {tokens:,} tokens in "
        f"{facts['sessions']:,} sessions, {CALLS:,} calls of random users each.",
        "",
        "| write-ahead log, KiB a call | right after a checkpoint | later "
        "| the same, with `wal_compression = lz4` | later |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in ("login", "refresh", "logout"):
        values = [value for way in COMPRESSIONS for value in facts[f"{name} {way}"]]
        lines.append(f"| {name} | " + " | ".join(f"{value / 1024:.1f}" for value in values) + " |")
    lines += ["", "| table | rows, bytes a token | indexes, bytes a token |", "|---|--:|--:|"]
    for name, rows, indexes in facts["sizes"]:
        if rows + indexes > tokens:
            lines.append(f"| `{name}` | {rows / tokens:.0f} | {indexes / tokens:.0f} |")
    total = sum(rows + indexes for _name, rows, indexes in facts["sizes"]) / tokens
    return "\n".join([*lines, f"| all, rows and indexes | {total:.0f} | |"])


if __name__ == "__main__":
    main()
