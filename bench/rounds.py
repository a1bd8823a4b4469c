"""Put load on the two peers in alternating rounds, so that noise affects both alike."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import hashing
from bench.cases import CASES, Case, Pools
from bench.measure import Cpu
from bench.peers import Peer

LUA = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, kw_only=True)
class Options:
    cases: tuple[str, ...]
    connections: tuple[int, ...]
    rounds: int
    seconds: int
    workers: int
    threads: int
    one_each: int


@dataclass(frozen=True)
class Round:
    rate: float
    p50: float
    p99: float
    server_cpu: float
    """Milliseconds of CPU for each request; so is ``database_cpu``."""
    database_cpu: float
    failed: int


@dataclass
class Result:
    case: str
    connections: int
    ours: list[Round] = field(default_factory=list)
    stock: list[Round] = field(default_factory=list)
    ceilings: list[float] = field(default_factory=list)
    """Of a login: what the hash alone allowed, right after each round."""

    @property
    def of_the_hash(self) -> float | None:
        pairs = zip(self.ours, self.ceilings, strict=False)
        return (
            statistics.median([one.rate / most for one, most in pairs]) if self.ceilings else None
        )

    def median(self, peer: str, what: str) -> float | None:
        rounds = [getattr(one, what) for one in getattr(self, peer)]
        return statistics.median(rounds) if rounds else None

    def spread(self, peer: str) -> float | None:
        """Return half the distance between the best and the worst round, relative to the median."""
        rates = [one.rate for one in getattr(self, peer)]
        middle = statistics.median(rates) if rates else 0
        return (max(rates) - min(rates)) / 2 / middle if middle else None

    def ratio(self, what: str = "rate") -> float | None:
        ours, stock = self.median("ours", what), self.median("stock", what)
        return ours / stock if ours and stock else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def run(peers: tuple[Peer, Peer], options: Options, say: Callable[[str], None]) -> list[Result]:
    """Load both running servers with every case; the portal goes first in every other round."""
    consumed = options.one_each * len(options.connections) * options.rounds
    pools = {peer.name: Pools(peer) for peer in peers}
    results = []
    for name in options.cases:
        case = CASES[name]
        taking_part = [peer for peer in peers if case.stock or peer.name == "ours"]
        for peer in taking_part:
            pools[peer.name].prepare(case, consumed)
            if not case.one_each:
                load(peer, pools[peer.name], case, 4, 1, options)
        for connections in options.connections:
            result = Result(name, connections)
            for number in range(options.rounds):
                for peer in taking_part if number % 2 == 0 else reversed(taking_part):
                    seconds = options.seconds
                    one = load(peer, pools[peer.name], case, connections, seconds, options)
                    getattr(result, peer.name).append(one)
                if name == "login":
                    result.ceilings.append(hashing.ceiling(hashing.cores()))
            say(summary(result))
            results.append(result)
    return results


def summary(result: Result) -> str:
    ours, stock = result.median("ours", "rate"), result.median("stock", "rate")
    ratio = result.ratio()
    text = f"{result.case:11} {result.connections:3}  ours {ours:8.1f}/s"
    if stock and ratio:
        text += f"  stock {stock:8.1f}/s  {ratio:5.2f}x"
    failed = sum(one.failed for one in [*result.ours, *result.stock])
    return text + (f"  ({failed} failed)" if failed else "")


def load(
    peer: Peer, pools: Pools, case: Case, connections: int, seconds: int, options: Options
) -> Round:
    lines = pools.write(case, options.one_each)
    # One thread of wrk for each connection if a response decides the next request. Otherwise four:
    # connections that one thread opens at once mostly go to the same worker.
    threads = connections if case.name in {"refresh", "logout"} else min(connections, 4)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(LUA), peer.url("/"), "--", case.name, str(lines), str(threads)]
    time.sleep(0.05)
    cpu = peer.cpu()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    server, database = cpu.used()
    _until_at_rest(cpu)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    served = max(told["requests"], 1)
    rate = told["requests"] / told["seconds"]
    if case.one_each:
        # wrk runs on after the tokens are used up, so compute the rate from response times.
        rate = connections / told["mean"] * 1000
    return Round(
        rate=rate,
        p50=told["p50"],
        p99=told["p99"],
        server_cpu=server / served * 1000,
        database_cpu=database / served * 1000,
        failed=told["refused"] + told["broken"],
    )


def _until_at_rest(cpu: Cpu) -> None:
    """Wait until the server has finished the requests that wrk no longer waits for.

    Sixteen logins with a slow hash would otherwise run on into the other peer's round.
    """
    used = cpu.used()
    while True:
        time.sleep(0.1)
        before, used = used, cpu.used()
        if sum(used) - sum(before) < 0.02:
            return
