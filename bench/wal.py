"""Measure what a call writes: ``python -m bench.wal``. PostgreSQL is needed.

A database of two million tokens is filled. Then one process opens sessions of random users,
refreshes random live sessions of the filled ones, and ends them. The server's position in the
write-ahead log says what each act wrote; nothing else may write to the server. After a checkpoint,
the first change of each page also logs the whole page. So the first calls after a checkpoint are
measured, and the average of all calls until the next one.

All of it is measured twice: with ids that grow with time, and with the random ids of before.
"""

import json
import os
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import report
from bench.peers import Peer

TOKENS = "2M"
# The calls right after a checkpoint, and those of five minutes between two, at 40 a second.
FIRST, CALLS = 2000, 12_000
LARGEST = 12
COMPRESSIONS = ("off", "lz4")
IDS = {"random": ["--random-ids"], "time-ordered": []}


def main() -> None:
    facts = {}
    for ids, options in IDS.items():
        peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "wal")
        peer.extra["BENCH_IDS"] = ids
        peer.drop()
        peer.create()
        try:
            peer.manage("migrate", "--verbosity", "0")
            print(peer.manage("fill", TOKENS, *options), end="", flush=True)
            facts[ids] = peer.call("bench.wal", "measure")
        finally:
            peer.drop()
        print(ids, facts[ids])
    report.write({"bench wal": _part(facts)})


def measure() -> None:
    """Log in, refresh and log out in this process, and print the facts."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from tokens.jwt import signing
    from tokens.models import OutstandingToken, Session
    from tokens.revocation import revoke_session
    from tokens.sessions import issue
    from tokens.sessions.refresh import rotate

    if os.environ["BENCH_IDS"] == "random":
        for module in (signing, issue):
            vars(module)["time_ordered_id"] = lambda _now: uuid.uuid4()
    facts: dict[str, Any] = {"sizes": _sizes(), "tokens": OutstandingToken.objects.count()}
    facts["sessions"] = Session.objects.count()
    people = list(get_user_model().objects.all()[:10_000])
    chance = random.Random(1)

    current = OutstandingToken.objects.filter(pk__in=_live().values("current_id"))
    live = [signing.sign(signing.stored_refresh(text=row.token)) for row in current]
    chance.shuffle(live)

    def log_out(pair: Any) -> None:
        session = Session.objects.get(pk=pair.session.pk)
        revoke_session(session=session, actor=session.user, reason="bench")

    acts: dict[str, Callable[[Any], Any]] = {
        "login": lambda user: issue.open_session(user=user),
        "refresh": lambda refresh: rotate(refresh=refresh),
        "logout": log_out,
    }
    for compression in COMPRESSIONS:
        _ask("SELECT set_config('wal_compression', %s, false)", compression)
        # Waiting for the disk changes no byte.
        _ask("SELECT set_config('synchronous_commit', 'off', false)")
        pairs: list[Any] = []
        for name, act in acts.items():
            over = {"login": chance.choices(people, k=CALLS), "logout": pairs}.get(name)
            over = over or [live.pop() for _ in range(CALLS)]
            chance.shuffle(over)
            _ask("CHECKPOINT")
            first, pairs = _written(act, over[:FIRST])
            rest, others = _written(act, over[FIRST:])
            facts[f"{name} {compression}"] = [(first + rest) / CALLS, first / FIRST]
            pairs += others
    print(json.dumps(facts))


def _live() -> Any:
    from tokens.models import Session

    at = datetime.now(UTC) + timedelta(hours=1)
    return Session.objects.filter(revoked_at=None, ends_at__gt=at, expires_at__gt=at)


def _written(act: Callable[[Any], Any], over: list[Any]) -> tuple[float, list[Any]]:
    """Return how many bytes the acts wrote, and what they returned."""
    before = _ask("SELECT pg_current_wal_insert_lsn()")
    results = [act(one) for one in over]
    written = _ask("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", before)
    return float(written), results


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


def _part(facts: dict[str, dict[str, Any]]) -> str:
    last = facts["time-ordered"]
    tokens = last["tokens"]
    lines = [
        "### What a call writes",
        "",
        f"`python -m bench.wal` on {datetime.now(UTC):%Y-%m-%d}, PostgreSQL, {tokens:,} tokens in "
        f"{last['sessions']:,} sessions, {CALLS:,} calls after a checkpoint.",
        "",
        f"| write-ahead log, KiB a call | ids | all calls | the first {FIRST:,} "
        f"| `wal_compression = lz4`: all calls | the first {FIRST:,} |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name in ("login", "refresh", "logout"):
        for ids, measured in facts.items():
            values = [value for way in COMPRESSIONS for value in measured[f"{name} {way}"]]
            cells = [name, ids, *(f"{value / 1024:.1f}" for value in values)]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| table | rows, bytes a token | indexes, bytes a token |", "|---|--:|--:|"]
    for name, rows, indexes in last["sizes"]:
        if rows + indexes > tokens:
            lines.append(f"| `{name}` | {rows / tokens:.0f} | {indexes / tokens:.0f} |")
    total = sum(rows + indexes for _name, rows, indexes in last["sizes"]) / tokens
    return "\n".join([*lines, f"| all, rows and indexes | {total:.0f} | |"])


if __name__ == "__main__":
    main()
