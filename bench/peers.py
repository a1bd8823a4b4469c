"""Set up the two peers: the portal, and the stock project.

Each has a database of its own with the same rows. The same server runs both with the same settings,
except for the class of its workers.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.measure import Backends, Cpu

ROOT = Path(__file__).resolve().parent.parent
# The portal's worker knows which requests are logins from the portal's settings.
STOCK_WORKER = ("--worker-class", "gthread")
# Secrets for the databases of the benchmark only.
SECRETS = {
    "SECRET_KEY": "of-a-benchmark-and-nothing-else-3uPz0cW8kT5nVbY7qLx2",
    "JWT_SIGNING_KEY": "of-a-benchmark-too-and-nothing-else-9hR4mJd6sGf1wXe8",
    "AUDIT_KEY": "of-a-benchmark-as-well-and-nothing-else-2kT7vLq9Zs4wBn",
}


def server_url() -> str:
    """Return a database URL of the PostgreSQL server; new databases are created beside it."""
    return os.environ.get("PG_TEST_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@dataclass
class Peer:
    name: str
    wsgi: str
    settings: str
    """That the management commands of `bench.fill` run under."""
    vendor: str
    tokens: str
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    started_in: float = 0.0
    extra: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT
    """The checkout whose code runs."""

    @property
    def database(self) -> str:
        return f"bench_{self.name}_{self.tokens}".lower()

    @property
    def file(self) -> Path:
        return Path(tempfile.gettempdir()) / f"{self.database}.sqlite3"

    @property
    def database_url(self) -> str:
        if self.vendor == "sqlite":
            return f"sqlite:///{self.file}"
        return server_url().rpartition("/")[0] + f"/{self.database}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **SECRETS,
            "DATABASE_URL": self.database_url,
            "HTTPS": "0",
            "PYTHONPATH": str(self.root),
            "STATIC_ROOT": str(Path(tempfile.gettempdir()) / "bench_static"),
            # Every login of the load has the same address.
            "LOGIN_ATTEMPTS": "1000000",
            **self.extra,
        }

    def manage(self, *args: str, settings: str = "") -> str:
        command = [sys.executable, "-m", "django", *args]
        command += ["--settings", settings or self.settings]
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def call(self, module: str, function: str) -> Any:
        """Call a function in a process with the peer's settings. Return the JSON it prints last."""
        done = subprocess.run(
            [sys.executable, "-c", f"from {module} import {function}; {function}()"],
            env={
                **self.environment,
                "DJANGO_SETTINGS_MODULE": self.settings,
                "LOG_LEVEL": "CRITICAL",
            },
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    # --- The database.

    def fill(self) -> str:
        """Create the database, and return what `fill` printed.

        A database of this size that exists already is migrated to the newest version instead.
        """
        if self.exists():
            self.manage("migrate", "--verbosity", "0")
            return ""
        self.create()
        try:
            self.manage("migrate", "--verbosity", "0")
            return self.manage("fill", self.tokens, "--rows-from", server_url())
        except BaseException:
            self.drop()
            raise

    def create(self) -> None:
        if self.vendor == "postgres":
            self._administer(f'CREATE DATABASE "{self.database}"')

    def exists(self) -> bool:
        if self.vendor == "sqlite":
            return self.file.exists()
        with psycopg.connect(server_url(), autocommit=True) as connection:
            found = "SELECT FROM pg_database WHERE datname = %s"
            return connection.execute(found, [self.database]).fetchone() is not None

    def drop(self) -> None:
        if self.vendor == "postgres":
            self._administer(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
            return
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

    def settle(self) -> None:
        """Vacuum the tables, so that a round starts without work from the round before."""
        if self.vendor == "postgres":
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")

    def _administer(self, statement: str) -> None:
        with psycopg.connect(server_url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    # --- The server.

    def start(self, *, workers: int, threads: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {
            **self.environment,
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": str(workers),
            "WEB_THREADS": str(threads),
            "PROMETHEUS_MULTIPROC_DIR": tempfile.mkdtemp(prefix="bench-metrics-"),
        }
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn"),
                *(() if self.name == "ours" else STOCK_WORKER),
                self.wsgi,
            ],
            env=environment,
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=(Path(tempfile.gettempdir()) / f"{self.database}.log").open("wb"),
            start_new_session=True,
        )
        self._metrics = environment["PROMETHEUS_MULTIPROC_DIR"]
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError(f"{self.name} does not start: see {self.database}.log")
            time.sleep(0.02)
        self.started_in = time.monotonic() - began

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url("/api/restricted"), timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self) -> Cpu:
        assert self.process is not None
        backends = Backends(server_url(), self.database)
        postgres = self.vendor == "postgres"
        return Cpu(self.process.pid, backends.pids if postgres else list)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=40)
            self.process = None
            shutil.rmtree(self._metrics, ignore_errors=True)


def both(vendor: str, tokens: str) -> tuple[Peer, Peer]:
    ours = Peer("ours", "portal.wsgi", "bench.settings", vendor, tokens)
    stock = Peer("stock", "bench.stock.wsgi", "bench.stock.with_fill", vendor, tokens)
    return ours, stock
