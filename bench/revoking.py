"""Measure revocations of many sessions: ``python -m bench.revoking``. PostgreSQL is needed.

One database is filled with sessions of one live token each. First, one process revokes all of a
user who has 10,000 of them, every fifth of 50,000 logins. Then the command `revoke_tokens` revokes
a million by a filter. It is interrupted once and run again, while another client makes bearer calls
over HTTP.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.fill.management.commands.fill import PASSWORD
from bench.hashing import cores
from bench.peers import ROOT, Peer

USERS, HELD = 5, 10_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.revoking", description=__doc__)
    parser.add_argument("--sessions", default="1M")
    parser.add_argument("--interrupt-after", type=float, default=10, help="seconds")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "revoking")
    peer.drop()
    peer.create()
    try:
        peer.manage("migrate", "--verbosity", "0")
        shape = ("--days", "5", "--cohorts", "1", "--rounds", "1", "--heavy", str(HELD))
        print(peer.manage("fill", options.sessions, *shape), end="", flush=True)
        users = peer.call("bench.revoking", "revoke_users")
        peer.start(workers=2, threads=4)
        many = _many(peer, options.interrupt_after)
    finally:
        peer.stop()
        peer.drop()
    text = _part(options.sessions, users, many)
    print(text)
    if not options.no_report:
        report.write({"bench revoking": text})


# --- Revoke all of one user, in a process of its own.


def revoke_users() -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tokens.revocation import revoke_user

    users = list(get_user_model().objects.order_by("pk")[:USERS])
    times, statements = [], 0
    for user in users:
        with CaptureQueriesContext(connection) as seen:
            started = time.perf_counter()
            ended = revoke_user(user=user, actor=None, reason="bench")
            times.append((time.perf_counter() - started) * 1000)
        statements = len(seen)
        assert ended.tokens == HELD, ended
    print(json.dumps({"ms": times, "statements": statements}))


# --- Revoke all that a filter matches, with the command.


def _many(peer: Peer, interrupt_after: float) -> dict[str, Any]:
    before = datetime.now(UTC).isoformat()
    access = log_in(peer)
    quiet = calls(peer, access, seconds=5)
    stop = threading.Event()
    busy: list[float] = []
    caller = threading.Thread(target=lambda: busy.extend(calls(peer, access, until=stop)))
    caller.start()
    try:
        first = _command(peer, before, interrupt_after=interrupt_after)
        second = _command(peer, before)
    finally:
        stop.set()
        caller.join()
    left = peer.manage("revoke_tokens", "--issued-before", before, "--dry-run", "--json")
    return {
        "interrupted": first,
        "finished": second,
        "left": json.loads(left.splitlines()[-1])["sessions"],
        "quiet": quiet,
        "busy": busy,
    }


def _command(peer: Peer, before: str, interrupt_after: float | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "django", "revoke_tokens", "--issued-before", before]
    command += ["--reason", "bench", "--json", "--settings", peer.settings]
    environment = {**peer.environment, "LOG_LEVEL": "CRITICAL"}
    started = time.monotonic()
    memory = 0.0
    interrupted = False
    # Write to a file. The server logs every event, and would stop at a full pipe.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.DEVNULL,
            preexec_fn=heed_interruption,
        )
        while process.poll() is None:
            memory = max(memory, _peak_mib(process.pid))
            late = interrupt_after is not None and time.monotonic() - started > interrupt_after
            if late and not interrupted:
                process.send_signal(signal.SIGINT)
                interrupted = True
            time.sleep(0.2)
        output.seek(0)
        said = output.read().splitlines()
    facts = json.loads(said[-1]) if process.returncode == 0 else {}
    return {
        "code": process.returncode,
        "seconds": time.monotonic() - started,
        "peak_mib": memory,
        "sessions": facts.get("sessions"),
    }


def heed_interruption() -> None:
    """Restore the handling of SIGINT, which processes in the background of a shell ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _peak_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def log_in(peer: Peer) -> str:
    """Return an access token."""
    body = json.dumps({"username": "user3", "password": PASSWORD}).encode()
    request = urllib.request.Request(
        peer.url("/api/login"), body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["access"])


def calls(
    peer: Peer, access: str, seconds: float = 0.0, until: threading.Event | None = None
) -> list[float]:
    """Return the milliseconds of sequential bearer calls, at most a hundred in a second."""
    request = urllib.request.Request(
        peer.url("/api/restricted"), headers={"Authorization": f"Bearer {access}"}
    )
    times: list[float] = []
    end = time.monotonic() + seconds
    while not until.is_set() if until is not None else time.monotonic() < end:
        started = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            # The five minutes are over.
            access = log_in(peer)
            request.add_header("Authorization", f"Bearer {access}")
            continue
        times.append((time.perf_counter() - started) * 1000)
        time.sleep(0.01)
    return times


def _part(sessions: str, users: dict[str, Any], many: dict[str, Any]) -> str:
    first, second = many["interrupted"], many["finished"]
    rate = (second["sessions"] or 0) / second["seconds"]
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines = [
        ("all of a user with 10,000 live tokens", f"{statistics.median(users['ms']):.0f} ms"),
        ("its statements, transaction included", users["statements"]),
        (f"{sessions} by filter, interrupted", f"exit {first['code']} at {first['seconds']:.1f} s"),
        ("run again, to the end", f"{second['sessions']:,} sessions in {second['seconds']:.0f} s"),
        ("sessions a second", f"{rate:,.0f}"),
        ("live sessions of it left", many["left"]),
        ("peak memory of the command", f"{max(first['peak_mib'], second['peak_mib']):.0f} MiB"),
        ("others' bearer calls before, p50 / p99", quantiles(many["quiet"])),
        ("others' bearer calls during it, p50 / p99", quantiles(many["busy"])),
    ]
    return (
        "### Revoking\n\n"
        f"`python -m bench.revoking --sessions {sessions}` on {datetime.now(UTC):%Y-%m-%d},"
        f" {cores()} cores, PostgreSQL, 2 workers of 4 threads; load average at the end:"
        f" {load}.\n\n" + report.rows(("what", "measured"), lines)
    )


def quantiles(times: list[float]) -> str:
    """Return the median and the p99 of milliseconds, and their number, as text."""
    cuts = statistics.quantiles(times, n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f} ms, {len(times):,} calls"


if __name__ == "__main__":
    main()
