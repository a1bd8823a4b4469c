"""The portal as it is deployed, with gunicorn and two workers, over a test's own database."""

import fcntl
import os
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

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40


class PortalServer:
    """``url`` without a slash at its end; ``log`` the file with both of gunicorn's logs."""

    def __init__(self, url: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self.log = log
        self.process = process

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The test's own database, in the words of DATABASE_URL."""
    to = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{to['NAME']}"
    who = ":".join(quote(str(part), safe="") for part in (to["USER"], to["PASSWORD"]) if part)
    return f"postgres://{who}@{to['HOST'] or '127.0.0.1'}:{to['PORT'] or 5432}/{to['NAME']}"


def environment(**overrides: str) -> dict[str, str]:
    """What the served portal runs with: the settings of the tests, on the real settings file."""
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
def serving(folder: Path, **overrides: str) -> Iterator[PortalServer]:
    """Serve until the block ends; ``overrides`` are environment variables of the portal."""
    collect_static()
    port = free_port()
    log = folder / f"portal-{port}.log"
    # What `make` exports to a test run must not choose the port of a portal of its own.
    env = environment(**{"WEB_CONCURRENCY": "2", **overrides, "PORT": str(port)})
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn", "portal.wsgi"],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = PortalServer(f"http://127.0.0.1:{port}", log, process)
    try:
        _wait(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: PortalServer) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if server.call("GET", "/healthz", timeout=2).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise AssertionError(f"The portal did not start:\n{server.log.read_text()[-4000:]}")
