"""Measure purges: ``python -m bench.purging``. PostgreSQL is needed.

A database is filled with twenty days of tokens and events, and the events are sealed. Then the
events of one day are removed as rows. The table is divided, and the partition with all other days
is dropped. At last `purge_tokens` deletes what has expired. Another client makes bearer calls over
HTTP all the time.
"""

import argparse
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import report
from bench.hashing import cores
from bench.peers import Peer
from bench.revoking import calls, log_in, quantiles

DAYS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.purging", description=__doc__)
    parser.add_argument("--tokens", default="2M")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "purging")
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        print(peer.manage("fill", options.tokens, "--days", str(DAYS)), end="", flush=True)
        peer.manage("seal_events")
        peer.start(workers=2, threads=4)
        access = log_in(peer)
        lines = [("a quiet portal", "", "", quantiles(calls(peer, access, seconds=10)))]
        for name, act in (
            ("the rows of a day", lambda: peer.call("bench.purging", "rows_of_a_day")),
            ("dividing the table", lambda: peer.call("bench.purging", "divide")),
            ("the partition of the others", lambda: peer.call("bench.purging", "partition")),
            ("`purge_tokens`", lambda: _purge_tokens(peer)),
        ):
            found, times = _beside(peer, access, act)
            locked = f"{found['locked']:.2f} s" if "locked" in found else ""
            lines.append(
                (name, f"{found['rows']:,} in {found['seconds']:.1f} s", locked, quantiles(times))
            )
    finally:
        peer.stop()
        peer.drop()
    text = (
        "### Purging\n\n"
        f"`python -m bench.purging --tokens {options.tokens}` on {datetime.now(UTC):%Y-%m-%d}, "
        f"{cores()} cores, PostgreSQL, 2 workers of 4 threads.\n\n"
        + report.rows(
            (
                "what",
                "rows",
                "of which in statements that delete or drop",
                "others' bearer calls beside it, p50 / p99",
            ),
            lines,
        )
    )
    print(text)
    if not options.no_report:
        report.write({"bench purging": text})


def _beside(
    peer: Peer, access: str, act: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], list[float]]:
    """Run ``act`` while a client makes bearer calls, and return their times too."""
    stop = threading.Event()
    times: list[float] = []
    caller = threading.Thread(target=lambda: times.extend(calls(peer, access, until=stop)))
    caller.start()
    try:
        return act(), times
    finally:
        stop.set()
        caller.join()


def _purge_tokens(peer: Peer) -> dict[str, Any]:
    started = time.monotonic()
    told = json.loads(peer.manage("purge_tokens", "--json").splitlines()[-1])
    return {"rows": sum(told.values()), "seconds": time.monotonic() - started}


# --- In processes of their own.


def rows_of_a_day() -> None:
    _remove(days=DAYS - 1)


def partition() -> None:
    _remove(days=0)


def divide() -> None:
    import django

    django.setup()
    from tokens.audit.partitions import begin
    from tokens.models import Event

    started = time.monotonic()
    begin(size=100_000, room=1)
    seconds = time.monotonic() - started
    print(json.dumps({"rows": Event.objects.count(), "seconds": seconds}))


def _remove(*, days: int) -> None:
    import django

    django.setup()
    from django.db import connection

    from tokens.audit.retention import remove_events

    locked = 0.0

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal locked
        started = time.monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            if sql.startswith(("DELETE", "DROP")):
                locked += time.monotonic() - started

    before = datetime.now(UTC) - timedelta(days=days)
    started = time.monotonic()
    with connection.execute_wrapper(watch):
        rows = sum(remove_events(before=before, actor=None, reason="bench"))
    seconds = time.monotonic() - started
    print(json.dumps({"rows": rows, "seconds": seconds, "locked": locked}))


if __name__ == "__main__":
    main()
