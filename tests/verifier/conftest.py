"""A portal that signs with ES256, and a service that follows its feed."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from token_portal_verifier import Verifier

from tests.support.server.proxy import Proxy
from tests.support.users import PASSWORD
from tokens.jwt.algorithms import ALGORITHMS
from tokens.services.registry import add_service

ISSUER, AUDIENCE = "https://portal.example", "billing"


@pytest.fixture
def environment() -> dict[str, str]:
    """Return the settings of the portal, which has the same key after a restart."""
    return {
        "JWT_ALGORITHM": "ES256",
        "JWT_SIGNING_KEY": ALGORITHMS["ES256"].generate(),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
    }


@pytest.fixture
def portal(serve: Callable[..., Any], environment: dict[str, str]) -> Any:
    return serve(**environment)


@pytest.fixture
def proxy(portal: Any) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", int(portal.url.rpartition(":")[2]))) as running:
        yield running


@pytest.fixture
def secret(transactional_db: None) -> str:
    return add_service(name="billing", may_introspect=False, may_read_feed=True).secret


@pytest.fixture
def verifier(proxy: Proxy, secret: str) -> Iterator[Callable[..., Verifier]]:
    """``verifier(poll_interval=0.2, …) -> Verifier`` at the portal behind the proxy."""
    made = []

    def make(**options: Any) -> Verifier:
        given = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "url": f"http://127.0.0.1:{proxy.port}",
            "credential": ("billing", secret),
            "poll_interval": 0.2,
        }
        made.append(Verifier(**(given | options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def tokens(portal: Any, alice: User) -> dict[str, str]:
    return dict(portal.login("alice", PASSWORD))


def within(seconds: float, found: Callable[[], bool]) -> bool:
    """Wait until ``found`` is true."""
    until = time.monotonic() + seconds
    while not found():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
