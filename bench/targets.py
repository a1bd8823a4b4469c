"""Measure what it costs to list the sessions that a revocation ends: ``python -m bench.targets``.

PostgreSQL is needed. One process revokes 100,000 sessions by a filter, in a job. The job lists them
when it starts. Every other batch of 1,000 writes its event without targets, so both are measured in
one run.
"""

import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any

from bench import report
from bench.peers import Peer

SESSIONS = "100k"


def main() -> None:
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "targets")
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        shape = ("--days", "5", "--cohorts", "1", "--rounds", "1", "--heavy", "100")
        print(peer.manage("fill", SESSIONS, *shape), end="", flush=True)
        facts = peer.call("bench.targets", "measure")
    finally:
        peer.drop()
    print(facts)
    report.write({"bench targets": _part(facts)})


def measure() -> None:
    """Revoke everything in this process and print the facts."""
    import django

    django.setup()
    from django.db import connection
    from django.utils import timezone

    from tokens import audit
    from tokens.audit import targets
    from tokens.listing.sessions import SessionQuery
    from tokens.revocation import Selection, count_all, start_job, work_off

    kept = targets.record_upon_many
    times: tuple[list[float], list[float]] = ([], [])
    selection = Selection(matching=SessionQuery(issued_before=timezone.now()))
    found = count_all(selection=selection)
    started = time.perf_counter()
    job = start_job(selection=selection, found=found, actor=None, reason="bench")
    begun = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size('tokens_revocationtarget'),"
            " pg_indexes_size('tokens_revocationtarget')"
        )
        waiting = [part / job.expected for part in cursor.fetchone()]
    at = 0
    while job.finished_at is None:
        listed = at % 2
        audit.record_upon_many = kept if listed else _without_targets
        started = time.perf_counter()
        before, job = job.sessions, work_off(job=job, seconds=0)
        if at > 3 and job.sessions - before == 1000:
            times[listed].append(time.perf_counter() - started)
        at += 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), pg_table_size('tokens_eventtarget'),"
            " pg_indexes_size('tokens_eventtarget') FROM tokens_eventtarget"
        )
        rows, table, indexes = cursor.fetchone()
    print(
        json.dumps(
            {
                "sessions": job.sessions,
                "begin_ms": begun * 1_000_000 / job.sessions,
                "waiting_bytes": waiting[0],
                "waiting_index_bytes": waiting[1],
                "without_ms": statistics.median(times[0]) * 1000,
                "with_ms": statistics.median(times[1]) * 1000,
                "bytes": table / rows,
                "index_bytes": indexes / rows,
            }
        )
    )


def _without_targets(*, targets: object, **fields: Any) -> object:
    from tokens import audit

    return audit.record(**fields)


def _part(facts: dict[str, float]) -> str:
    without, listed = facts["without_ms"], facts["with_ms"]
    return "\n".join(
        [
            "### The targets of a bulk revocation",
            "",
            f"`python -m bench.targets` on {datetime.now(UTC):%Y-%m-%d}, PostgreSQL, "
            f"{facts['sessions']:,} sessions in batches of 1,000.",
            "",
            "| a batch of 1,000 sessions, median | ms |",
            "|---|--:|",
            f"| without targets | {without:.1f} |",
            f"| with targets | {listed:.1f} |",
            f"| ratio | {listed / without:.2f} |",
            f"| bytes for each session, and in indexes "
            f"| {facts['bytes']:.0f} + {facts['index_bytes']:.0f} |",
            f"| starting the job, for each 1,000 sessions | {facts['begin_ms']:.1f} |",
            f"| ratio to a batch | {facts['begin_ms'] / listed:.3f} |",
            "| bytes for each session that the job is still to end, and in the index "
            f"| {facts['waiting_bytes']:.0f} + {facts['waiting_index_bytes']:.0f} |",
        ]
    )


if __name__ == "__main__":
    main()
