"""Time admin and staff pages at several sizes: ``python -m bench.pages``.

Stock simplejwt's admin is timed on the same rows. PostgreSQL is needed. Databases that exist are
used and kept. Those that this run fills are dropped afterwards, unless ``--keep`` is given.
``--fill`` fills and keeps databases without measuring.
"""

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

from bench import report
from bench.hashing import cores
from bench.pages_table import PAGES
from bench.peers import ROOT, Peer, both

# The median in milliseconds, or the negative status if it is not 200, by peer, size and page.
Measured = dict[tuple[str, str, str], float]
# The limits of each page at every size: this many milliseconds, and this many times
# its own time at the smallest size.
MOST_MS, MOST_TIMES = 100.0, 2.0
# The time limit for all rounds of one page at one peer: a few rounds show that it is slow.
ENOUGH_MS = 4000.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--tokens", default="10k,1M,10M")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="pages with this in their name; no report")
    parser.add_argument("--peers", default="ours,stock")
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave what this run has filled")
    parser.add_argument("--fill", action="store_true", help="fill and keep, and nothing else")
    options = parser.parse_args()
    sizes, names = options.tokens.split(","), options.peers.split(",")
    peers = [p for size in sizes for p in both("postgres", size) if p.name in names]
    with ExitStack() as after:
        for peer in peers:
            if not (peer.exists() or options.keep or options.fill):
                after.callback(peer.drop)
            print(peer.fill(), end="", flush=True)
        if options.fill:
            return
        text = _part(sizes, options.rounds, measure(peers, options.rounds, options.only))
    print(text)
    if not (options.no_report or options.only):
        report.write({"bench pages": text})


def measure(peers: list[Peer], rounds: int, only: str = "") -> Measured:
    """Time every page at every peer, one peer after the other.

    Other load on the machine then affects all peers alike.
    """
    measured: Measured = {}
    with ExitStack() as after:
        timers = [(peer, after.enter_context(_timer(peer))) for peer in peers]
        for page, ours, stock in PAGES:
            if only not in page:
                continue
            times: dict[tuple[str, str], list[float]] = {}
            for _ in range(rounds + 1):
                for peer, timer in timers:
                    seen = times.setdefault((peer.name, peer.tokens), [])
                    address = ours if peer.name == "ours" else stock
                    if address and sum(seen) < ENOUGH_MS and min(seen, default=1) > 0:
                        seen.append(_ask(timer, address))
            # The first load fills the caches of templates and of the database.
            for (name, size), seen in times.items():
                if seen:
                    p50 = statistics.median(seen[1:] or seen)
                    measured[name, size, page] = p50 if min(seen) > 0 else min(seen)
            print(page, file=sys.stderr, flush=True)
        for _peer, timer in timers:
            timer.communicate()
    return measured


def _timer(peer: Peer) -> "subprocess.Popen[str]":
    if peer.name == "ours":
        peer.manage("collectstatic", "--noinput", "--verbosity", "0")
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.page_times"],
        env={**peer.environment, "DJANGO_SETTINGS_MODULE": peer.settings, "LOG_LEVEL": "CRITICAL"},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ask(timer: "subprocess.Popen[str]", address: str) -> float:
    assert timer.stdin is not None
    assert timer.stdout is not None
    timer.stdin.write(f"{address}\n")
    timer.stdin.flush()
    return float(timer.stdout.readline())


def _part(sizes: list[str], rounds: int, measured: Measured) -> str:
    lines, missed = [], []
    for page, _ours, _stock in PAGES:
        ours = [measured.get(("ours", size, page)) for size in sizes]
        stock = [measured.get(("stock", size, page)) for size in sizes]
        first, last = ours[0], ours[-1]
        if not any(one is not None for one in (*ours, *stock)):
            continue
        grows = f"{last / first:.1f}×" if first and last and first > 0 and last > 0 else ""
        lines.append((page, *map(_milliseconds, ours), grows, *map(_milliseconds, stock)))
        times = [one for one in ours if one is not None]
        failed = any(one < 0 for one in times)
        if failed or (first and max(times) > min(MOST_MS, MOST_TIMES * first)):
            missed.append(page)
    head = (
        "page, p50 in ms",
        *(f"ours {size}" for size in sizes),
        f"{sizes[-1]} / {sizes[0]}",
        *(f"stock {size}" for size in sizes),
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    kept = len(lines) - len(missed)
    return (
        "### Pages\n\n"
        f"`python -m bench.pages --tokens {','.join(sizes)} --rounds {rounds}` on"
        f" {datetime.now(UTC):%Y-%m-%d}, {cores()} cores, in one process without a network; load"
        f" average at the end: {load}. Of {len(lines)} pages {kept} stay under"
        f" {MOST_MS:.0f} ms and {MOST_TIMES:.0f}× of their time at {sizes[0]}"
        f"{': all but ' + '; '.join(missed) if missed else ''}.\n\n" + report.rows(head, lines)
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"HTTP {-value:.0f}" if value < 0 else f"{value:,.1f}"


if __name__ == "__main__":
    main()
