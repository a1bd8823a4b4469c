"""`python -m bench.pages`: admin and staff pages at several sizes, beside stock simplejwt's admin
on the same rows. PostgreSQL."""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

from bench import report
from bench.hashing import cores
from bench.pages_table import PAGES
from bench.peers import ROOT, Peer, both

Times = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--tokens", default="10k,1M,10M")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the databases for another run")
    options = parser.parse_args()
    sizes = options.tokens.split(",")
    measured: dict[tuple[str, str], Times] = {}
    for tokens in sizes:
        for peer in both("postgres", tokens):
            try:
                print(peer.fill(), end="", flush=True)
                measured[peer.name, tokens] = times(peer, options.rounds)
            finally:
                if not options.keep:
                    peer.drop()
            print(f"{tokens:4} {peer.name}: {len(measured[peer.name, tokens])} pages", flush=True)
    text = _part(sizes, options.rounds, measured)
    print(text)
    if not options.no_report:
        report.write({"bench pages": text})


def times(peer: Peer, rounds: int) -> Times:
    column = 1 if peer.name == "ours" else 2
    if peer.name == "ours":
        peer.manage("collectstatic", "--noinput", "--verbosity", "0")
    table = {row[0]: row[column] for row in PAGES if row[column]}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.page_times", str(rounds)],
        input=json.dumps(table),
        env={**peer.environment, "DJANGO_SETTINGS_MODULE": peer.settings, "LOG_LEVEL": "CRITICAL"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    took: Times = json.loads(done.stdout.splitlines()[-1])
    return took


def _part(sizes: list[str], rounds: int, measured: dict[tuple[str, str], Times]) -> str:
    lines = []
    for page, _ours, _stock in PAGES:
        ours = [measured["ours", size].get(page) for size in sizes]
        stock = [measured["stock", size].get(page) for size in sizes]
        first, last = ours[0], ours[-1]
        grows = f"{last / first:.1f}×" if first and last and first > 0 and last > 0 else ""
        lines.append((page, *map(_milliseconds, ours), grows, *map(_milliseconds, stock)))
    head = (
        "page, p50 in ms",
        *(f"ours {size}" for size in sizes),
        f"{sizes[-1]} / {sizes[0]}",
        *(f"stock {size}" for size in sizes),
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        "### Pages\n\n"
        f"`python -m bench.pages --tokens {','.join(sizes)} --rounds {rounds}` on"
        f" {datetime.now(UTC):%Y-%m-%d}, {cores()} cores, in one process without a network; load"
        f" average at the end: {load}.\n\n" + report.rows(head, lines)
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"HTTP {-value:.0f}" if value < 0 else f"{value:,.1f}"


if __name__ == "__main__":
    main()
