"""Run a primary and a synchronous standby with Patroni and etcd, each in a network namespace.

The bench and the portal are in a namespace that has no way out, and each node is in one that leads
to it only. All addresses are loopback addresses.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PORTAL, ETCD = "127.77.0.1", "127.77.0.2"
NODES = {"a": "127.77.0.11", "b": "127.77.0.12"}
# Shorter than Patroni's own 30, 10 and 10, so that a round is shorter too.
TIMES = {"ttl": 20, "loop_wait": 2, "retry_timeout": 3}
READY_SECONDS = 120
ISOLATED = "BENCH_ISOLATED"


def isolate(module: str) -> None:
    """Start the module again in namespaces of its own, unless that was done.

    Every process that it starts ends with it.
    """
    if os.environ.get(ISOLATED):
        return
    needed = ("patroni", "etcd", "ip", "iptables", "setpriv", "unshare")
    if absent := [program for program in needed if shutil.which(program) is None]:
        sys.exit(f"Install {', '.join(absent)} first.")
    if os.geteuid() != 0:
        sys.exit("Run it as root, who can create network namespaces.")
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # The first process of the namespace, bash, waits for processes whose parents have ended.
    command += ["bash", "-c", '"$@"; exit', "bench", sys.executable, "-m", module, *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, ISOLATED: "1"})


def until(condition: Callable[[], object], what: str, seconds: float = READY_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


class Node:
    """A machine with PostgreSQL, and with the Patroni that runs it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.address = name, NODES[name]
        self.folder = folder / name
        self.folder.mkdir()
        shutil.chown(self.folder, "postgres", "postgres")
        (self.folder / "patroni.json").write_text(json.dumps(self._configuration()))
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "eth0", "netns", name)
        _run("ip", "link", "set", f"to-{name}", "master", "bridge", "up")
        _address("eth0", self.address, within=name)

    def _configuration(self) -> dict[str, Any]:
        folder, here = str(self.folder), self.address
        return {
            "scope": "bench",
            "name": self.name,
            "restapi": {"listen": f"{here}:8008", "connect_address": f"{here}:8008"},
            "etcd3": {"host": f"{ETCD}:2379"},
            "bootstrap": {
                "dcs": {**TIMES, "synchronous_mode": True, "postgresql": {"use_pg_rewind": True}},
                "initdb": [{"encoding": "UTF8"}],
            },
            "postgresql": {
                "listen": f"{here}:5432",
                "connect_address": f"{here}:5432",
                "bin_dir": str(_programs()),
                "data_dir": f"{folder}/data",
                "pgpass": f"{folder}/pgpass",
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "replicator"},
                },
                "parameters": {"unix_socket_directories": folder},
                "pg_hba": [
                    "local all all trust",
                    f"host all all {PORTAL}/24 trust",
                    f"host replication all {PORTAL}/24 trust",
                ],
            },
        }

    def start(self) -> None:
        command = ["ip", "netns", "exec", self.name, "setpriv", "--reuid=postgres"]
        command += ["--regid=postgres", "--clear-groups", "patroni", "patroni.json"]
        with (self.folder / "log").open("ab") as log:
            subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def kill(self) -> None:
        """End every process at once."""
        while pids := _run("ip", "netns", "pids", self.name).split():
            subprocess.run(["kill", "-9", *pids], check=False, stderr=subprocess.DEVNULL)

    def cut_off(self, *addresses: str) -> None:
        """Drop the packets to and from these addresses."""
        for address in addresses:
            self._filter("-A", "INPUT", "-s", address, "-j", "DROP")
            self._filter("-A", "OUTPUT", "-d", address, "-j", "DROP")

    def heal(self) -> None:
        self._filter("-F")

    def _filter(self, *rule: str) -> None:
        _run("ip", "netns", "exec", self.name, "iptables", *rule)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        where = f"host={self.address} user=postgres dbname={database} connect_timeout=3"
        return psycopg.connect(where, autocommit=True)

    def role(self) -> str:
        """Return what Patroni says of this node: ``leader``, ``sync_standby`` or another role."""
        url = f"http://{self.address}:8008/cluster"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                members = json.load(answer)["members"]
        except (OSError, ValueError):
            return "none"
        found = [one for one in members if one["name"] == self.name]
        return str(found[0]["role"]) if found else "none"


@contextmanager
def nodes() -> Iterator[tuple[Node, Node]]:
    """Run both nodes until the block ends; yield the primary and its synchronous standby."""
    folder = Path(tempfile.mkdtemp(prefix="bench-patroni-", dir="/tmp"))
    folder.chmod(0o755)
    _lay_network()
    with (folder / "etcd.log").open("wb") as log:
        etcd = subprocess.Popen(_etcd(folder), stdout=log, stderr=log)
    both = [Node(name, folder) for name in NODES]
    try:
        for node in both:
            node.start()
        until(lambda: {node.role() for node in both} == {"leader", "sync_standby"}, "a standby")
        first, second = both
        yield (first, second) if first.role() == "leader" else (second, first)
    finally:
        for node in both:
            node.kill()
        etcd.kill()
        etcd.wait()
        shutil.rmtree(folder)


def _lay_network() -> None:
    # Elsewhere on the machine, nothing is seen of the names that `ip netns` notes here.
    Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    _run("ip", "link", "add", "bridge", "type", "bridge")
    _address("bridge", PORTAL, ETCD)


def _address(link: str, *addresses: str, within: str = "") -> None:
    """Give a link its addresses, in a namespace that is new."""
    enter = ["ip", "netns", "exec", within] if within else []
    _run(*enter, "ip", "link", "set", "lo", "up")
    # Of the loopback addresses, only this one is the namespace's own. The others are sent.
    _run(*enter, "ip", "address", "add", "127.0.0.1/32", "dev", "lo")
    _run(*enter, "ip", "address", "del", "127.0.0.1/8", "dev", "lo")
    _run(*enter, "sysctl", "-q", "-w", "net.ipv4.conf.all.route_localnet=1")
    for address in addresses:
        _run(*enter, "ip", "address", "add", f"{address}/24", "dev", link)
    _run(*enter, "ip", "link", "set", link, "up")


def _etcd(folder: Path) -> list[str]:
    client, peer = f"http://{ETCD}:2379", f"http://{ETCD}:2380"
    options = {
        "data-dir": str(folder / "etcd"),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
    }
    return ["etcd", *(f"--{name}={value}" for name, value in options.items())]


def _programs() -> Path:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
