"""Measure the portal and plain simplejwt over real HTTP: ``python -m bench``."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from datetime import UTC, datetime

from bench import hashing, report, size
from bench.cases import CASES, Pools, access, signed
from bench.fill.management.commands.fill import PASSWORD
from bench.measure import family, memory_mib
from bench.peers import ROOT, Peer, both
from bench.rounds import Options, Result, run


def main() -> None:
    options = _options()
    if shutil.which("wrk") is None:
        sys.exit("The benchmark needs wrk on the PATH (Debian and Ubuntu: apt install wrk).")
    for vendor in options.db.split(","):
        for tokens in options.tokens.split(","):
            _one(vendor, tokens, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--db", default="postgres,sqlite", help="postgres, sqlite or both")
    parser.add_argument("--tokens", default="1M,10k", help="rows in the tables, such as 10k or 1M")
    parser.add_argument("--connections", default="1,16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of a round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="one round of one second, no report")
    parser.add_argument("--keep", action="store_true", help="leave the databases for another run")
    return parser.parse_args()


def _one(vendor: str, tokens: str, options: argparse.Namespace) -> None:
    quick = options.quick
    load = Options(
        cases=tuple(options.cases.split(",")),
        connections=tuple(map(int, options.connections.split(","))),
        rounds=1 if quick else options.rounds,
        seconds=1 if quick else options.seconds,
        workers=options.workers,
        threads=options.threads,
        one_each=160,
    )
    peers = both(vendor, tokens)
    print(f"\n{vendor}, {tokens} tokens")
    try:
        for peer in peers:
            print(peer.fill(), end="", flush=True)
        counted = {peer.name: _statements(peer) for peer in peers}
        for peer in peers:
            peer.start(workers=load.workers, threads=load.threads)
        results = run(peers, load, lambda line: print(line, flush=True))
        footprint = _footprint(peers)
    finally:
        for peer in peers:
            peer.stop()
            if not options.keep:
                peer.drop()
    if not quick:
        part = _part(vendor, tokens, load, results, counted, footprint)
        report.write({f"bench {vendor} {tokens}": part})


def _statements(peer: Peer) -> dict[str, dict[str, int]]:
    (first, username), (second, _), (third, _) = Pools(peer).some(3)
    bearer = {"Authorization": f"Bearer {access(first)}"}

    def call(case: str, body: object, headers: object = None, kind: str = "json") -> str:
        text = body if isinstance(body, str) else json.dumps(body)
        method = "GET" if case == "restricted" else "POST"
        form = "application/x-www-form-urlencoded"
        return json.dumps(
            {
                "case": case,
                "method": method,
                "path": f"/api/{case}",
                "body": text if method == "POST" else "",
                "type": "application/json" if kind == "json" else form,
                "headers": headers or {},
            }
        )

    # Don't count the first login from an address and the first call of a process.
    login = call("login", {"username": username, "password": PASSWORD})
    calls = [login, login, call("restricted", "", bearer)]
    calls += [call("refresh", {"refresh": signed(second)})]
    calls += [call("verify", {"token": access(first)})]
    if peer.name == "ours":
        calls += [call("introspect", f"token={access(first)}", bearer, "form")]
    calls += [call("logout", {"refresh": signed(third)})]
    done = subprocess.run(
        [sys.executable, "-m", "bench.statements"],
        input="\n".join(calls),
        env={**peer.environment, "DJANGO_SETTINGS_MODULE": peer.settings},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    counted: dict[str, dict[str, int]] = json.loads(done.stdout.splitlines()[-1])
    return counted


def _footprint(peers: tuple[Peer, Peer]) -> str:
    lines = []
    for peer, (count, disk) in zip(peers, (size.ours(), size.stock()), strict=True):
        assert peer.process is not None
        workers = family(peer.process.pid)[1:]
        each = sum(map(memory_mib, workers)) / len(workers)
        lines.append(
            (peer.name, f"{peer.started_in:.2f} s", f"{each:.0f} MiB", f"{disk:.0f} MiB", count)
        )
    head = ("", "start to first answer", "memory of a worker, after load", "install", "packages")
    return report.rows(head, lines)


def _part(
    vendor: str,
    tokens: str,
    load: Options,
    results: list[Result],
    counted: dict[str, dict[str, dict[str, int]]],
    footprint: str,
) -> str:
    when = datetime.now(UTC)
    command = f"python -m bench --db {vendor} --tokens {tokens} --rounds {load.rounds}"
    spread = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    text = (
        f"### {vendor}, {tokens} tokens\n\n"
        f"`{command} --seconds {load.seconds} --cases {','.join(load.cases)}` on {when:%Y-%m-%d},"
        f" {hashing.cores()} cores, Python {platform.python_version()}, gunicorn with"
        f" {load.workers} workers of {load.threads} threads; load average at the end: {spread}.\n\n"
    )
    text += report.table(results)
    shares = [(r.of_the_hash, statistics.median(r.ceilings)) for r in results if r.of_the_hash]
    if shares:
        share, ceiling = max(shares)
        text += (
            f"\nThe password hash alone, timed after each round, allowed {ceiling:.1f} logins a"
            f" second on these cores; ours reach {share:.0%} of it.\n"
        )
    lines = [
        (
            case,
            *(
                f"{counted[peer][case]['statements']} / {counted[peer][case]['commits']}"
                if case in counted[peer]
                else ""
                for peer in ("ours", "stock")
            ),
        )
        for case in counted["ours"]
        if case in load.cases
    ]
    head = ("statements / commits", "ours", "stock")
    return f"{text}\n{report.rows(head, lines)}\n{footprint}"


if __name__ == "__main__":
    main()
