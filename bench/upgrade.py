"""Upgrade a portal under load: ``python -m bench.upgrade REVISION``. PostgreSQL is needed.

Two hosts of an earlier revision serve behind HAProxy. The new code migrates their database, and
then takes the place of one host after the other, while clients call. In between, both hosts are
asked the same, and have to agree.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench import report
from bench.cases import Pools, access, signed
from bench.clients import Client, Load, load
from bench.fill.management.commands.fill import PASSWORD
from bench.hashing import cores
from bench.peers import ROOT, Peer
from tests.deploy.fronts import haproxy
from tests.support.server.portal import free_port

CLIENTS = 8
DRAIN_SECONDS = 5  # as in deploy/systemd/token-portal.service
# HAProxy asks every two seconds whether a host is ready.
NOTICED_SECONDS = 4
PAUSE_SECONDS = 0.02
SAMPLED = 150
LOCK_SAMPLE_SECONDS = 0.01
# The calls whose body is a form.
FORMS = ("introspect", "revoke")
Body = dict[str, str] | None
# The longest wait, and the statement that waits.
WAITS = """SELECT extract(epoch FROM clock_timestamp() - waitstart), left(a.query, 120)
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND waitstart IS NOT NULL AND a.datname = %s AND l.locktype <> 'virtualxid'
ORDER BY 1 DESC LIMIT 1"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description=__doc__)
    parser.add_argument("revision", help="from which to upgrade")
    parser.add_argument("--tokens", default="1M")
    parser.add_argument("--calls", type=int, default=10_000, help="at least")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-upgrade-")))
        old, new = _peers(_checkout(options.revision, folder), options.tokens)
        old.drop()
        old.create()
        stack.callback(old.drop)
        old.manage("migrate", "--verbosity", "0")
        print(old.manage("fill", options.tokens), end="", flush=True)
        facts = _upgrade(old, new, options.calls, folder)
    text = _part(options, facts)
    print(text)
    for failure in [*facts["failures"], *facts["disagreements"]][:20]:
        print(failure)
    if not options.no_report:
        report.write({"bench upgrade": text})
    if facts["failures"] or facts["disagreements"]:
        sys.exit(1)


def _checkout(revision: str, folder: Path) -> Path:
    root = folder / "earlier"
    root.mkdir()
    archive = subprocess.run(
        ["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive.stdout, check=True)
    return root


def _peers(earlier: Path, tokens: str) -> tuple[Peer, Peer]:
    extra = {"TRUSTED_PROXIES": "127.0.0.1", "DRAIN_SECONDS": str(DRAIN_SECONDS)}
    extra |= {"LOGIN_WAITING": str(CLIENTS), "LOG_LEVEL": "ERROR"}
    old, new = (
        Peer(
            *("ours", "portal.wsgi", "bench.settings", "postgres", f"upgrade_{tokens}"),
            extra=extra,
            root=root,
        )
        for root in (earlier, ROOT)
    )
    return old, new


# --- A host.


class Host:
    """A server with the code of a peer. Its port stays the same."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.start(peer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, peer: Peer) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn"]
        with (self.folder / f"host-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, peer.wsgi],
                env={
                    **peer.environment,
                    "BIND": f"127.0.0.1:{self.port}",
                    "WEB_CONCURRENCY": "1",
                },
                cwd=peer.root,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"a host does not start: see {log.name}")
            time.sleep(0.1)
        time.sleep(NOTICED_SECONDS)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


# --- The longest wait for a lock.


@dataclass
class LongestWait:
    seconds: float = 0.0
    statement: str = ""


@contextmanager
def _watching_locks(peer: Peer) -> Iterator[LongestWait]:
    longest, stop = LongestWait(), threading.Event()

    def watch() -> None:
        with psycopg.connect(peer.database_url, autocommit=True) as to:
            while not stop.wait(LOCK_SAMPLE_SECONDS):
                row = to.execute(WAITS, [peer.database]).fetchone()
                if row is not None and row[0] > longest.seconds:
                    longest.seconds, longest.statement = float(row[0]), row[1]

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield longest
    finally:
        stop.set()
        watcher.join()


# --- Both hosts are asked the same.


@dataclass
class Agreement:
    """Ask two hosts the same, and note each pair of answers that differ."""

    hosts: tuple[Host, Host]
    calls: Counter[str] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    def ask(self, name: str, body: Body = None, *, token: str = "") -> int:
        """Return the status that the first host answers with."""
        first, second = (_ask(host, name, body, token=token) for host in self.hosts)
        self.calls[name] += 1
        if first != second:
            self.different.append(f"{name}: {first} and {second}")
        return first[0]

    def expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.different.append(f"{what}: {found}, not {expected}")


def _ask(host: Host, name: str, body: Body = None, *, token: str = "") -> tuple[int, Any]:
    answer = requests.request(
        "GET" if body is None else "POST",
        f"{host.url}/api/{name}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=30,
        **{"data" if name in FORMS else "json": body},  # type: ignore[arg-type]
    )
    found = answer.json() if answer.content else {}
    # Each request has an id of its own.
    found.pop("reference", None)
    return answer.status_code, found


def _agree(hosts: tuple[Host, Host], pool: list[tuple[str, str]]) -> Agreement:
    agreement = Agreement(hosts)
    operator = access(pool[0][0])
    for number, (unsigned, username) in enumerate(pool[1:]):
        here, there = hosts if number % 2 else hosts[::-1]
        token, refresh = access(unsigned), signed(unsigned)
        forged = f"{token[:-4]}{'AAAA' if token[-4:] != 'AAAA' else 'BBBB'}"
        for each in (token, forged, refresh):
            agreement.ask("restricted", token=each)
            agreement.ask("verify", {"token": each})
            agreement.ask("introspect", {"token": each}, token=operator)
        # Either host rotates the other's tokens, and gives a retry the same successor.
        found = _ask(here, "refresh", {"refresh": refresh})
        again = _ask(there, "refresh", {"refresh": refresh})
        agreement.expect("retry", again[1].get("refresh"), found[1].get("refresh"))
        if number % 10 == 0:
            found = _ask(here, "login", {"username": username, "password": PASSWORD})
        if found[0] != 200:
            agreement.different.append(f"refresh or login: {found}")
            continue
        pair = found[1]
        agreement.expect("bearer", agreement.ask("restricted", token=pair["access"]), 200)
        # What one host revokes, both refuse.
        _ask(there, "revoke", {"token": pair["refresh"]})
        agreement.expect("revoked", agreement.ask("restricted", token=pair["access"]), 401)
        agreement.expect("revoked", agreement.ask("refresh", {"refresh": pair["refresh"]}), 401)
    return agreement


# --- The upgrade.


def _upgrade(old: Peer, new: Peer, calls: int, folder: Path) -> dict[str, Any]:
    pool = Pools(old).some(SAMPLED + 1)
    with ExitStack() as stack:
        hosts = []
        for _ in range(2):
            hosts.append(Host(old, folder))
            stack.callback(hosts[-1].stop)
        first, second = hosts
        front = stack.enter_context(haproxy(folder, *(f"127.0.0.1:{one.port}" for one in hosts)))
        waits = stack.enter_context(_watching_locks(old))
        clients = [
            Client(
                f"https://localhost:{front.https}",
                str(front.certificate),
                name,
                PASSWORD,
                PAUSE_SECONDS,
            )
            for name in dict.fromkeys(name for _, name in reversed(pool))
        ][:CLIENTS]
        running = stack.enter_context(load(clients))
        running.wait_for(calls // 5)
        migrated = _migrate(new)
        before = _agree((first, second), pool[: SAMPLED // 3])
        _replace(first, new, running)
        between = _agree((first, second), [pool[0], *pool[SAMPLED // 3 :]])
        _replace(second, new, running)
        running.wait_for(calls)
    return {
        "calls": running.calls,
        "failures": running.failures,
        "slowest": running.slowest,
        "migrated": migrated,
        "migrations": _migrations(new) - _migrations(old),
        "waits": waits,
        "before": before,
        "between": between,
        "disagreements": [*before.different, *between.different],
    }


def _migrate(new: Peer) -> float:
    began = time.monotonic()
    new.manage("migrate", "--verbosity", "0")
    return time.monotonic() - began


def _replace(host: Host, new: Peer, running: Load) -> None:
    """Restart a host with the new code, and let the clients notice."""
    host.stop()
    host.start(new)
    running.wait_for(running.calls + 100)


def _migrations(peer: Peer) -> int:
    return len(list((peer.root / "tokens" / "migrations").glob("0*.py")))


def _part(options: argparse.Namespace, facts: dict[str, Any]) -> str:
    waits, before, between = facts["waits"], facts["before"], facts["between"]
    busy = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    lines = [
        ("calls of clients, failed", f"{facts['calls']:,}, {len(facts['failures'])}"),
        ("the slowest of them", f"{facts['slowest']:.2f} s"),
        ("migrations", f"{facts['migrations']}, in {facts['migrated']:.1f} s"),
        ("longest wait for a lock", f"{waits.seconds:.2f} s"),
        (
            "answers that both hosts gave, old code on the new tables",
            f"{before.calls.total():,}, {len(before.different)} different",
        ),
        (
            "answers that both hosts gave, old and new code",
            f"{between.calls.total():,}, {len(between.different)} different",
        ),
    ]
    return (
        "### An upgrade under load\n\n"
        f"`python -m bench.upgrade {options.revision} --tokens {options.tokens} --calls "
        f"{options.calls}` on {datetime.now(UTC):%Y-%m-%d}, {cores()} cores, PostgreSQL, two hosts "
        f"of one worker behind HAProxy, {CLIENTS} clients; load average at the end: {busy}.\n\n"
        + report.rows(("what", "measured"), lines)
    )


if __name__ == "__main__":
    main()
