"""Measure services that verify tokens: ``python -m bench.services``. PostgreSQL is needed.

A portal with ES256 serves a database with sessions. A process beside it revokes sessions, and
follows the feed with verifiers: how long a revocation takes to arrive, what a poll costs the
portal, what a verification costs the service, and what the feed costs a revocation of many
sessions.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.hashing import cores
from bench.peers import ROOT, Peer

ISSUER, AUDIENCE = "https://portal.example", "billing"
# Revocations that a verifier waits for, and the longest pause between two of them in seconds.
ARRIVALS, PAUSE = 300, 0.3
VERIFIERS, IDLE_SECONDS = 100, 20
KNOWN, CALLS, ROUNDS = 100_000, 2_000, 15
# Users whose 10,000 sessions are revoked with the feed's triggers, and as many without.
HELD, USERS = 10_000, 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.services", description=__doc__)
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "services")
    peer.extra = _settings()
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        shape = ("--days", "5", "--cohorts", "1", "--rounds", "1", "--heavy", str(HELD))
        print(peer.manage("fill", "400k", *shape), end="", flush=True)
        peer.extra |= {"BENCH_SECRET": _printed(_start(peer, "add"))}
        peer.start(workers=2, threads=4)
        peer.extra |= {"BENCH_URL": peer.url("")}
        idle = _idle(peer)
        found = _beside(peer)
    finally:
        peer.stop()
        peer.drop()
    text = _part(idle, found)
    print(text)
    if not options.no_report:
        report.write({"bench services": text})


def _settings() -> dict[str, str]:
    from tokens.jwt.algorithms import ALGORITHMS

    return {
        "JWT_ALGORITHM": "ES256",
        "JWT_SIGNING_KEY": ALGORITHMS["ES256"].generate(),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
    }


def _start(peer: Peer, function: str) -> "subprocess.Popen[str]":
    code = f"from bench.services import {function}; {function}()"
    path = os.pathsep.join([str(ROOT), str(ROOT / "verifier")])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={
            **peer.environment,
            "PYTHONPATH": path,
            "DJANGO_SETTINGS_MODULE": peer.settings,
            "LOG_LEVEL": "CRITICAL",
        },
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _printed(process: "subprocess.Popen[str]") -> str:
    """Wait for the end of a process, and return the last line that it printed."""
    printed, _errors = process.communicate()
    if process.returncode != 0:
        raise RuntimeError("a process beside the portal failed")
    return printed.splitlines()[-1]


def add() -> None:
    """Add the service, and print its secret."""
    import django

    django.setup()
    from tokens.services import add_service

    print(add_service(name="billing", may_introspect=False, may_read_feed=True).secret)


# --- What idle verifiers cost the portal.


def _idle(peer: Peer) -> dict[str, float]:
    """Return the CPU milliseconds of a poll, of the server and of the database."""
    quiet = peer.cpu()
    time.sleep(IDLE_SECONDS)
    before = quiet.used()
    process = _start(peer, "idle")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    busy = peer.cpu()
    time.sleep(IDLE_SECONDS)
    server, database = busy.used()
    process.stdin.close()
    polls = VERIFIERS * IDLE_SECONDS
    process.wait(timeout=60)
    return {
        "server": (server - before[0]) / polls * 1000,
        "database": (database - before[1]) / polls * 1000,
        "polls": polls,
    }


def idle() -> None:
    """Poll each second with many verifiers, until the other end closes the pipe."""
    from token_portal_verifier import Invalid

    verifiers = [_verifier() for _ in range(VERIFIERS)]
    for one in verifiers:
        try:
            one.verify("the first call starts the thread")
        except Invalid:
            time.sleep(1 / VERIFIERS)
    print("ready", flush=True)
    sys.stdin.read()


def _verifier(**options: Any) -> Any:
    from token_portal_verifier import Verifier

    return Verifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        url=os.environ["BENCH_URL"],
        credential=("billing", os.environ["BENCH_SECRET"]),
        **options,
    )


# --- What a process beside the portal measures: see `beside`.


def _beside(peer: Peer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_printed(_start(peer, "beside")))
    return found


def beside() -> None:
    import django

    django.setup()
    print(json.dumps({"bulk": _bulk(), "arrivals": _arrivals(), "verify": _verification()}))


def _bulk() -> dict[str, list[float]]:
    """Return the milliseconds of revoking all of a user, in turns with and without the feed."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from tokens.db import revocation_feed
    from tokens.models import FeedEntry
    from tokens.revocation import revoke_user

    times: dict[str, list[float]] = {"with": [], "without": [], "entries": []}
    for number, user in enumerate(get_user_model().objects.order_by("pk")[: 2 * USERS]):
        name = "without" if number % 2 else "with"
        if name == "without":
            revocation_feed.drop(connection)
        before = FeedEntry.objects.count()
        started = time.perf_counter()
        ended = revoke_user(user=user, actor=None, reason="bench")
        times[name].append((time.perf_counter() - started) * 1000)
        assert ended.tokens == HELD, ended
        if name == "without":
            revocation_feed.install(connection)
        else:
            times["entries"].append(FeedEntry.objects.count() - before)
    return times


def _arrivals() -> list[float]:
    """Return the seconds from the commit of a revocation until the verifier refuses its token."""
    from django.contrib.auth import get_user_model
    from token_portal_verifier import Invalid

    from tokens.revocation import revoke_session
    from tokens.sessions.issue import open_session

    verifier = _verifier(poll_interval=1.0)
    user = get_user_model().objects.order_by("-pk")[0]
    pairs = [open_session(user=user) for _ in range(ARRIVALS)]
    assert verifier.verify(pairs[0].access)
    waiting: dict[str, float] = {}
    took: list[float] = []

    def watch() -> None:
        while len(took) < ARRIVALS:
            for access, at in list(waiting.items()):
                try:
                    verifier.verify(access)
                except Invalid:
                    took.append(time.monotonic() - at)
                    del waiting[access]
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    rng = random.Random(1)
    for pair in pairs:
        time.sleep(rng.uniform(0, PAUSE))
        revoke_session(session=pair.session, actor=None, reason="bench")
        waiting[pair.access] = time.monotonic()
    watcher.join()
    verifier.close()
    return took


def _verification() -> dict[str, Any]:
    """Compare `Verifier.verify` with PyJWT, while 100,000 recent revocations are known."""
    import jwt
    from django.contrib.auth import get_user_model
    from django.db import connection

    from tokens.jwt.keys import key_ring
    from tokens.sessions.issue import open_session

    user = get_user_model().objects.order_by("-pk")[0]
    access = open_session(user=user).access
    verifier = _verifier()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM tokens_feedentry")
    before = _resident()
    verifier.verify(access)
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO tokens_feedentry ("at", "transaction", session_id)'
            " SELECT clock_timestamp(), pg_current_xact_id()::text::bigint, gen_random_uuid()"
            " FROM generate_series(1, %s)",
            [KNOWN],
        )
    started = time.perf_counter()
    while len(verifier._revocations.sessions) < KNOWN:
        time.sleep(0.01)
    loaded = time.perf_counter() - started
    grown = _resident() - before
    key = key_ring().current

    def plain() -> None:
        jwt.decode(
            access,
            key.verifying,
            algorithms=["ES256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iss", "aud", "sid"]},
        )

    rounds = [(_each(lambda: verifier.verify(access)), _each(plain)) for _ in range(ROUNDS)]
    verifier.close()
    return {
        "verify": statistics.median(ours for ours, _plain in rounds),
        "pyjwt": statistics.median(plain for _ours, plain in rounds),
        "beyond": statistics.median(ours - plain for ours, plain in rounds),
        "loaded": loaded,
        "mib": grown,
    }


def _each(call: Callable[[], object]) -> float:
    """Return the microseconds of CPU time of one call."""
    started = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - started) / CALLS * 1e6


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# --- The report.


def _part(idle: dict[str, float], found: dict[str, Any]) -> str:
    cuts = statistics.quantiles(found["arrivals"], n=100)
    bulk, verify = found["bulk"], found["verify"]
    with_feed, without = statistics.median(bulk["with"]), statistics.median(bulk["without"])
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines = [
        (
            f"from commit to refusal with a poll each second, p50 / p99 of {ARRIVALS}",
            f"{cuts[49]:.2f} / {cuts[98]:.2f} s",
        ),
        (
            f"CPU of the portal for an idle poll, database; {idle['polls']:,.0f} polls",
            f"{idle['server']:.2f} ms, {idle['database']:.2f} ms",
        ),
        (
            f"`Verifier.verify`, ES256, {KNOWN:,} revocations known",
            f"{verify['verify']:.0f} µs: {verify['beyond']:.0f} µs beyond PyJWT's own"
            f" {verify['pyjwt']:.0f} µs, {verify['verify'] / verify['pyjwt']:.2f}×",
        ),
        (f"memory for {KNOWN:,} revocations", f"{verify['mib']:.0f} MiB"),
        (f"until a verifier knows {KNOWN:,} new ones", f"{verify['loaded']:.1f} s"),
        (
            f"revoke a user with {HELD:,} live tokens, with the feed / without",
            f"{with_feed:.0f} / {without:.0f} ms, {with_feed / without:.2f}×",
        ),
        ("its entries in the feed", f"{statistics.median(bulk['entries']):,.0f}"),
    ]
    return (
        "### Services\n\n"
        f"`python -m bench.services` on {datetime.now(UTC):%Y-%m-%d}, {cores()} cores, PostgreSQL,"
        f" 2 workers of 4 threads; load average at the end: {load}.\n\n"
        + report.rows(("what", "measured"), lines)
    )


if __name__ == "__main__":
    main()
