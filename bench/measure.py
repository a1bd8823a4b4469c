"""Read CPU time, memory and connections of a run from the kernel and the database."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return ``pid`` and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process with its threads; 0 if it has ended."""
    try:
        # The name in the second field may contain blanks, so split after its bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid: int) -> float:
    """Return the proportional set size (PSS): private memory plus a share of the shared."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Backends:
    """Find the PostgreSQL processes on this machine that serve one database."""

    url: str
    database: str

    def pids(self) -> list[int]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type ="
                " 'client backend'",
                [self.database],
            )
            return [pid for (pid,) in rows.fetchall()]


@dataclass
class Cpu:
    """Count the CPU seconds that a server and its database's processes use from now on."""

    server: int
    backends: Callable[[], list[int]]

    def __post_init__(self) -> None:
        self._server = self._sum(family(self.server))
        self._database = self._each(self.backends())

    def used(self) -> tuple[float, float]:
        after = self._each(self.backends())
        database = sum(spent - self._database.get(pid, 0.0) for pid, spent in after.items())
        return self._sum(family(self.server)) - self._server, database

    def _sum(self, pids: list[int]) -> float:
        return sum(self._each(pids).values())

    def _each(self, pids: list[int]) -> dict[int, float]:
        return {pid: cpu_seconds(pid) for pid in pids}
