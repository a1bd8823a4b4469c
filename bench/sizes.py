"""Measure how the number of tokens affects each call: ``python -m bench.sizes``.

Two portals are served, one with few tokens and one with many. They are loaded in turn, so that
other load on the machine affects both alike. PostgreSQL is needed. Databases that exist are used
and kept.
"""

import argparse
import os
import statistics
from contextlib import ExitStack
from datetime import UTC, datetime

from bench import report
from bench.cases import CASES, Pools
from bench.hashing import cores
from bench.peers import Peer, both
from bench.rounds import Options, Round, load

ONE_EACH = 160


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sizes", description=__doc__)
    parser.add_argument("--tokens", default="10k,1M", help="few and many")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--connections", default="1,16")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of a round")
    parser.add_argument("--no-report", action="store_true")
    given = parser.parse_args()
    sizes = given.tokens.split(",")
    options = Options(
        cases=tuple(given.cases.split(",")),
        connections=tuple(map(int, given.connections.split(","))),
        rounds=given.rounds,
        seconds=given.seconds,
        workers=2,
        threads=4,
        one_each=ONE_EACH,
    )
    with ExitStack() as after:
        peers = [both("postgres", size)[0] for size in sizes]
        for peer in peers:
            if not peer.exists():
                after.callback(peer.drop)
            print(peer.fill(), end="", flush=True)
            peer.start(workers=options.workers, threads=options.threads)
            after.callback(peer.stop)
        lines = measure(peers, options)
    head = ("case", "conn.", *(f"{size}, /s" for size in sizes), "ratio", "CPU ratio")
    text = (
        "### What the number of tokens costs\n\n"
        f"`python -m bench.sizes --tokens {given.tokens} --connections {given.connections}"
        f" --rounds {options.rounds} --seconds {options.seconds}` on"
        f" {datetime.now(UTC):%Y-%m-%d}, {cores()} cores, PostgreSQL; load average at the end:"
        f" {', '.join(f'{one:.1f}' for one in os.getloadavg())}. Medians of the ratios of each"
        " round, many against few: above 1 is quicker with many.\n\n"
    ) + report.rows(head, lines)
    print(text)
    if not given.no_report:
        report.write({"bench sizes": text})


def measure(peers: list[Peer], options: Options) -> list[tuple[str, ...]]:
    pools = [Pools(peer) for peer in peers]
    lines = []
    for name in options.cases:
        case = CASES[name]
        for peer, pool in zip(peers, pools, strict=True):
            pool.prepare(case, ONE_EACH * len(options.connections) * options.rounds)
            if not case.one_each:
                load(peer, pool, case, 4, 1, options)
        for connections in options.connections:
            seen: list[list[Round]] = [[] for _ in peers]
            for number in range(options.rounds):
                order = range(len(peers)) if number % 2 == 0 else reversed(range(len(peers)))
                for at in order:
                    one = load(peers[at], pools[at], case, connections, options.seconds, options)
                    seen[at].append(one)
            lines.append(_line(name, connections, *seen))
            print(*lines[-1], flush=True)
    return lines


def _line(name: str, connections: int, few: list[Round], many: list[Round]) -> tuple[str, ...]:
    rates = [statistics.median(one.rate for one in rounds) for rounds in (few, many)]
    pairs = list(zip(few, many, strict=True))
    ratio = statistics.median(much.rate / little.rate for little, much in pairs)
    cpu = statistics.median(_cpu(little) / _cpu(much) for little, much in pairs)
    shown = (f"{rate:,.1f}" for rate in rates)
    return (name, str(connections), *shown, f"{ratio:.2f}×", f"{cpu:.2f}×")


def _cpu(one: Round) -> float:
    return one.server_cpu + one.database_cpu


if __name__ == "__main__":
    main()
