"""Measure failovers under load: ``python -m bench.failover``. Run it as root.

Patroni runs a primary and a synchronous standby. Clients log in, refresh and log out, and remember
what was acknowledged. Each round takes the primary away, waits for the promotion of the standby,
and then checks every session of its clients. Then the old primary comes back as the standby.

killed
    All processes of the primary end at once. Connections to it are refused.
cut off
    All packets to and from the primary are dropped.
cut off from the standby
    The same, but the portal still reaches the old primary.
"""

import argparse
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from bench import report
from bench.failover_load import CLIENTS, Load, Round, Session
from bench.failover_nodes import ETCD, NODES, PORTAL, TIMES, Node, isolate, nodes, until
from bench.hashing import cores
from bench.peers import Peer

USERS = 100
CALM_SECONDS, AFTER_SECONDS = 3.0, 5.0
ACTS = {"login": "logins", "refresh": "refreshes", "logout": "revocations"}

Fault = Callable[[Node, Node], None]
FAULTS: dict[str, Fault] = {
    "killed": lambda primary, _standby: primary.kill(),
    "cut off": lambda primary, standby: primary.cut_off(PORTAL, ETCD, standby.address),
    "cut off from the standby": lambda primary, standby: primary.cut_off(ETCD, standby.address),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="of each kind")
    parser.add_argument("--kinds", default=",".join(FAULTS))
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    isolate("bench.failover")
    kinds = options.kinds.split(",")
    seen: dict[str, list[tuple[Round, list[str]]]] = {kind: [] for kind in kinds}
    with nodes() as (primary, standby):
        peer = _portal(primary)
        peer.start(workers=2, threads=4)
        with primary.connect("portal") as connection:
            names = connection.execute("SELECT username FROM auth_user LIMIT %s", [USERS])
            load = Load(peer.url(""), [name for (name,) in names])
        try:
            sessions: list[Session] = []
            for number in range(options.rounds * len(kinds)):
                kind = kinds[number % len(kinds)]
                one = _fail_over(load, FAULTS[kind], primary, standby)
                lost = load.lost(one.sessions)
                sessions += one.sessions
                seen[kind].append((one, lost))
                print(kind, *_row([(one, lost)]), dict(one.statuses), flush=True)
                for fault, times in Counter(one.faults + lost).most_common(5):
                    print(f"  {times} times: {fault}", flush=True)
                primary, standby = standby, primary
                _heal(kind, primary, standby)
            finally_lost = load.lost(sessions)
        finally:
            peer.stop()
    text = _part(options.rounds, seen, len(sessions), finally_lost)
    print(text)
    if not options.no_report:
        report.write({"bench failover": text})


def _portal(primary: Node) -> Peer:
    """Return a portal with a filled database, that knows both nodes."""
    hosts = ",".join(f"{address}:5432" for address in NODES.values())
    with primary.connect() as connection:
        connection.execute("CREATE DATABASE portal")
    peer = Peer("ours", "portal.wsgi", "bench.settings", "postgres", "failover")
    peer.extra = {
        "DATABASE_URL": f"postgres://postgres@{hosts}/portal?target_session_attrs=read-write",
        # Access tokens live until the last check.
        "ACCESS_TOKEN_MINUTES": "600",
        # None of the clients is one too many.
        "LOGIN_WAITING": str(CLIENTS),
    }
    peer.manage("migrate", "--verbosity", "0")
    peer.manage("fill", "10k")
    return peer


def _fail_over(load: Load, fault: Fault, primary: Node, standby: Node) -> Round:
    one = load.start()
    try:
        time.sleep(CALM_SECONDS)
        with standby.connect() as connection:
            one.broken = time.monotonic()
            fault(primary, standby)
            in_recovery = "SELECT pg_is_in_recovery()"
            until(lambda: connection.execute(in_recovery).fetchone() == (False,), "a promotion")
            one.promoted = time.monotonic()
        until(lambda: any(at > one.promoted for at in one.served[-1:]), "an answer")
        time.sleep(AFTER_SECONDS)
    finally:
        load.stop()
    return one


def _heal(kind: str, primary: Node, old: Node) -> None:
    old.heal()
    if kind == "killed":
        old.start()
    until(lambda: (primary.role(), old.role()) == ("leader", "sync_standby"), "a standby")


# --- The report.


def _row(seen: list[tuple[Round, list[str]]]) -> list[str]:
    rounds = [one for one, _lost in seen]
    counts: Counter[str] = Counter()
    for one in rounds:
        counts += one.acknowledged
    return [
        str(len(rounds)),
        " / ".join(f"{counts[name]:,}" for name in ACTS),
        str(sum(len(lost) for _one, lost in seen)),
        str(sum(len(one.faults) for one in rounds)),
        _spread([one.promoted - one.broken for one in rounds]),
        _spread([one.first for one in rounds]),
        _spread([one.last_refused for one in rounds]),
        _spread([one.gap for one in rounds]),
        f"{max(one.slowest for one in rounds):.1f}",
        f"{max(max(one.probes) for one in rounds) * 1000:,.0f} ms",
    ]


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} / {max(values):.1f}"


def _part(
    rounds: int, seen: dict[str, list[tuple[Round, list[str]]]], sessions: int, lost: list[str]
) -> str:
    head = (
        "the primary is",
        "rounds",
        f"acknowledged {', '.join(ACTS.values())}",
        "lost",
        "wrong answers",
        "until the promotion",
        "from there to the first answer",
        "to the last 503",
        "longest gap",
        "slowest call",
        "slowest probe",
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        "### Failovers\n\n"
        f"`python -m bench.failover --rounds {rounds}` on {datetime.now(UTC):%Y-%m-%d}, {cores()}"
        f" cores, PostgreSQL with Patroni, `synchronous_mode` and a `ttl` of {TIMES['ttl']} s; 2"
        f" workers of 4 threads, {CLIENTS} clients; load average at the end: {load}. In seconds,"
        f" median / most. At the end, of {sessions:,} sessions {len(lost)} were not as"
        " acknowledged.\n\n"
        + report.rows(head, [(kind, *_row(each)) for kind, each in seen.items()])
    )


if __name__ == "__main__":
    main()
