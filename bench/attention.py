"""Time each attention rule and the number of live sessions: ``python -m bench.attention``.

PostgreSQL is needed. The database gets a million sessions, opened within two days, so that every
rule reads as many rows as it may.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from bench import report
from bench.peers import Peer

ROUNDS = 9
# Rows for the rules that read events and addresses, which the filled tables lack.
MOVED = """INSERT INTO tokens_sessionorigin
    (session_id, ip, user_agent, first_seen_at, last_seen_at)
SELECT id, ('10.0.' || place || '.1')::inet, '', now() - place * interval '1 minute',
    now() - place * interval '1 minute'
FROM (SELECT id FROM tokens_session ORDER BY created_at DESC LIMIT 5000) s,
    generate_series(1, 2) place"""
EVENTS = """INSERT INTO tokens_event (at, kind, subject_id, subject_name, session_id, jti, ip,
    user_agent, client, request_id, reason, count, data, actor_name)
SELECT now() - random() * interval '1 day', kind, user_id, username, id, '', '10.9.9.9', '', '', '',
    '', 1, '{}', ''
FROM (SELECT * FROM tokens_session ORDER BY created_at DESC LIMIT 5000) s,
    unnest(ARRAY['login_refused', 'refresh_retry', 'reuse']) kind"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.attention", description=__doc__)
    parser.add_argument("--sessions", default="1M")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "attention")
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        shape = ("--days", "2", "--cohorts", "1", "--rounds", "1", "--heavy", "5000")
        print(peer.manage("fill", options.sessions, *shape), end="", flush=True)
        facts = peer.call("bench.attention", "measure")
    finally:
        peer.drop()
    text = _part(facts)
    print(text)
    if not options.no_report:
        report.write({"bench attention": text})


def measure() -> None:
    """Time everything in this process and print the facts."""
    import django

    django.setup()
    from django.db import connection

    from tokens.db import clock
    from tokens.listing.attention import RULES, WINDOW
    from tokens.listing.stats import crowded_users, live_sessions
    from tokens.models import Session

    with connection.cursor() as cursor:
        for statement in (MOVED, EVENTS, "ANALYZE"):
            cursor.execute(statement)
    since = clock.now() - WINDOW
    measured: dict[str, Callable[[], object]] = {
        rule.name: partial(rule.find, rule, since) for rule in RULES
    }
    measured |= {"crowded users": crowded_users, "number of live sessions": live_sessions}
    times = {}
    for name, read in measured.items():
        rounds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            read()
            rounds.append(time.perf_counter() - started)
        times[name] = statistics.median(rounds) * 1000
    print(json.dumps({"sessions": Session.objects.count(), "times": times}))


def _part(facts: dict[str, float | dict[str, float]]) -> str:
    times = facts["times"]
    assert isinstance(times, dict)
    lines = [(name, f"{took:.1f}") for name, took in times.items()]
    return (
        "### What needs attention\n\n"
        f"`python -m bench.attention` on {datetime.now(UTC):%Y-%m-%d}, PostgreSQL,"
        f" {facts['sessions']:,} sessions of two days. Medians of {ROUNDS} rounds.\n\n"
        + report.rows(("rule", "ms"), lines)
    )


if __name__ == "__main__":
    main()
