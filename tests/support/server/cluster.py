"""Run a PostgreSQL server of the test's own, which the test may stop, freeze and change."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support.server.portal import database_url, free_port
from tests.support.services import installed, missing

START_SECONDS = 60


class Cluster:
    """Listens on ``127.0.0.1:port``. Its database is a copy of the database of the test."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-D", self._data)
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd="/")

    def start(self) -> None:
        command = [str(self.programs / "postgres"), "-D", self._data, "-p", str(self.port)]
        command += ["-h", "127.0.0.1", "-k", str(self.folder), "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=log, stderr=log, user=self.user, cwd="/"
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.sql("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        """End every connection and the server, as a restart does."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)
        self._server.wait(timeout=START_SECONDS)

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as to:
            for statement in statements:
                to.execute(statement.encode())

    def configure(self, **settings: str) -> None:
        """Change settings of the running server."""
        self.sql(*[f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()])
        self.sql("SELECT pg_reload_conf()")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process: connections stay open, and get no answer."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None
        parent = self._server.pid
        os.kill(parent, number)
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            # A process that goes on may end at once, because its client has left.
            with suppress(ProcessLookupError):
                os.kill(int(child), number)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = found[-1] if found else installed("initdb")
    if program is None:
        missing("PostgreSQL's initdb is not installed")
    return Path(program).parent


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server until the block ends."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=Path("/tmp")))
    running = None
    try:
        running = Cluster(folder, programs)
        dump = subprocess.run(
            [str(programs / "pg_dump"), "--no-owner", database_url()],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [str(programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", running.url],
            input=dump.stdout,
            check=True,
            capture_output=True,
        )
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)
