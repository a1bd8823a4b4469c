"""Serve the portal with gunicorn and two workers on the database of a test."""

import fcntl
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from django.db import connection

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90
# As long as systemd waits: some servers announce first that they stop, for 5 seconds.
STOP_SECONDS = 35
# A line of gunicorn's access log, or of an event, as opposed to a fault.
ANSWERED = re.compile(r'" [1-4]\d\d |^\{"id": ')
# time-machine replaces each function of Python that reads the clock; the workers inherit that.
WITH_WRONG_CLOCK = """
import sys, time, time_machine
time_machine.travel(time.time() + int(sys.argv.pop(1)), tick=True).start()
from gunicorn.app.wsgiapp import run
run()
"""


class PortalServer:
    """``url`` without a slash at its end; ``log`` the file with both of gunicorn's logs."""

    def __init__(self, url: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self.log = log
        self.process = process
        self.socket_path: Path | None = None

    def faults(self) -> str:
        """Return the end of the log, without the lines of requests that were answered."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if not ANSWERED.search(line)][-40:])

    def call(
        self, method: str, path: str, *, token: str | None = None, **kwargs: Any
    ) -> requests.Response:
        """One request on a connection of its own, so that both workers get their share."""
        headers = dict(kwargs.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        kwargs.setdefault("allow_redirects", False)
        return requests.request(
            method, self.url + path, headers=headers, timeout=kwargs.pop("timeout", 30), **kwargs
        )

    def login(self, username: str, password: str) -> dict[str, str]:
        answer = self.call("POST", "/api/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


# The servers that are up. What they logged is printed with each test that fails.
served: list[PortalServer] = []

# Below the ports that the system gives to clients, and different in each test process: two servers
# that start at the same time never choose the same port.
_ports = itertools.count(20_000 + 4_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


def free_port() -> int:
    """Return a port of the loopback address that is not in use."""
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def database_url() -> str:
    """Return the database of the test as a DATABASE_URL."""
    to = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{to['NAME']}"
    who = ":".join(quote(str(part), safe="") for part in (to["USER"], to["PASSWORD"]) if part)
    return f"postgres://{who}@{to['HOST'] or '127.0.0.1'}:{to['PORT'] or 5432}/{to['NAME']}"


def environment(**overrides: str) -> dict[str, str]:
    """Return the environment of the served portal: the settings of the tests."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DATABASE_URL": database_url(),
        **overrides,
    }


def collect_static() -> None:
    """Collect once for the run, however many test processes ask for it."""
    root = Path(os.environ["STATIC_ROOT"])
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "staticfiles.json").exists():
            subprocess.run(
                [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"],
                cwd=ROOT,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"},
                check=True,
            )


@contextmanager
def serving(
    folder: Path,
    *,
    port: int = 0,
    socket_path: Path | None = None,
    clock_ahead: int = 0,
    **overrides: str,
) -> Iterator[PortalServer]:
    """Serve until the block ends; ``overrides`` are environment variables of the portal.

    The server listens on ``port``, or on a free one. The clock of its processes is ``clock_ahead``
    seconds ahead; negative: behind.
    """
    if "STATIC_ROOT" not in overrides:
        collect_static()
    port = port or free_port()
    log = folder / f"portal-{port}.log"
    # What `make` exports to a test run must not choose the port of a portal of its own.
    env = environment(**{"WEB_CONCURRENCY": "2", **overrides, "PORT": str(port)})
    if socket_path is not None:
        env["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port} --bind unix:{socket_path}"
    if "PROMETHEUS_MULTIPROC_DIR" not in overrides:
        env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    start = ["-c", WITH_WRONG_CLOCK, str(clock_ahead)] if clock_ahead else ["-m", "gunicorn"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *start, "--config", "python:portal.gunicorn", "portal.wsgi"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = PortalServer(f"http://127.0.0.1:{port}", log, process)
    server.socket_path = socket_path
    try:
        _wait(server, f"{env.get('SCRIPT_NAME', '')}/healthz")
        served.append(server)
        yield server
    finally:
        if server in served:
            served.remove(server)
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: PortalServer, path: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if server.call("GET", path, timeout=10).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise AssertionError(f"The portal did not start:\n{server.log.read_text()[-4000:]}")
