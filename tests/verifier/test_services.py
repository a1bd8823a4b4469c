"""The services in docs/services.md run as pasted, against the portal behind gunicorn."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User

from tests.docs.markdown import fences, text_of
from tests.support.server.portal import ROOT, free_port
from tests.support.server.proxy import Proxy
from tests.support.users import PASSWORD
from tests.verifier.conftest import ISSUER, within
from tokens.models import Session
from tokens.revocation import revoke_session

pytestmark = pytest.mark.slow
# The file of each service, the call that it serves, and the server of the docs.
FASTAPI = ("invoices.py", "/invoices", ("uvicorn", "invoices:app", "--port"))
REST_FRAMEWORK = ("orders.py", "/orders", ("gunicorn", "orders", "--bind"))
SOON = 2.0
# A busy machine may be late once.
ROUNDS = 3


class Service:
    """A running service. `call` returns the status of one call of it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, token: str | None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return requests.get(self.address, headers=headers, timeout=60)

    def call(self, token: str | None) -> int:
        try:
            return self.get(token).status_code
        except requests.ConnectionError:
            return 0


@pytest.fixture(params=[FASTAPI, REST_FRAMEWORK], ids=["fastapi", "rest-framework"])
def service(
    request: pytest.FixtureRequest, proxy: Proxy, secret: str, tmp_path: Path
) -> Iterator[Service]:
    name, path, command = request.param
    (tmp_path / name).write_text(pasted(name))
    settings = {
        "PORTAL_ISSUER": ISSUER,
        "PORTAL_URL": f"http://127.0.0.1:{proxy.port}",
        "PORTAL_SECRET": secret,
    }
    port = free_port()
    bound = str(port) if command[0] == "uvicorn" else f"127.0.0.1:{port}"
    with running([*command, bound], folder=tmp_path, settings=settings):
        one = Service(f"http://127.0.0.1:{port}{path}")
        assert within(60, lambda: one.call(None) == 401)
        yield one


def pasted(name: str) -> str:
    """Return the Python block of docs/services.md that is the file ``name``."""
    blocks = fences(text_of("docs/services.md"), "python")
    (block,) = (block for block in blocks if block.startswith(f"# {name}\n"))
    return block


@contextmanager
def running(command: list[str], *, folder: Path, settings: dict[str, str]) -> Iterator[None]:
    path = os.pathsep.join([str(folder), str(ROOT / "verifier")])
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **settings, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def seconds_until(done: Callable[[], bool]) -> float:
    started = time.monotonic()
    assert within(60, done)
    return time.monotonic() - started


def test_service_of_the_docs_refuses_a_revoked_token_within_two_seconds(
    service: Service, portal: Any, alice: User
) -> None:
    took: list[float] = []
    while not took or (took[-1] > SOON and len(took) < ROUNDS):
        pair = portal.login("alice", PASSWORD)
        assert service.get(pair["access"]).json() == {"account": str(alice.pk)}
        assert portal.call("POST", "/api/logout", json={"refresh": pair["refresh"]}).ok
        took.append(seconds_until(lambda access=pair["access"]: service.call(access) == 401))
    assert min(took) <= SOON, took


def test_service_of_the_docs_goes_on_while_the_portal_is_away(
    service: Service, proxy: Proxy, portal: Any, alice: User
) -> None:
    access = portal.login("alice", PASSWORD)["access"]
    assert service.call(access) == 200
    proxy.drop()
    assert service.call(access) == 200
    revoke_session(session=Session.objects.get(), actor=None, reason="why")
    assert service.call(access) == 200
    proxy.restore()
    assert within(60, lambda: service.call(access) == 401)
    assert service.call(portal.login("alice", PASSWORD)["access"]) == 200


def test_service_of_the_docs_refuses_what_is_no_access_token(
    service: Service, tokens: dict[str, str]
) -> None:
    wrong = [None, "x", tokens["refresh"], tokens["access"][:-4] + "AAAA"]
    assert [service.call(token) for token in wrong] == [401] * len(wrong)
    assert service.call(tokens["access"]) == 200
