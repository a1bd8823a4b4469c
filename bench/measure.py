"""What the kernel and the database say about a run: CPU, memory, connections."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """``pid`` and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, its threads included; 0 once it is gone."""
    try:
        # The name in the second field may hold blanks; what follows its bracket does not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def memory_mib(pid: int) -> float:
    """What the process holds of its own plus its share of what it shares (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Backends:
    """The PostgreSQL processes that serve one database on this machine."""

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
    """CPU seconds used since it was made, by a server and by its database's processes."""

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
