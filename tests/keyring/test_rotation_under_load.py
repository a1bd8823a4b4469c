"""Two hosts with two workers each change their key and its algorithm, and no call fails."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
import requests
from django.contrib.auth.models import User
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from tests.keyring.conftest import SECRET
from tests.support.server.portal import PortalServer, serving
from tests.support.users import PASSWORD, make_user
from tokens.keyring.acts import add_from_environment
from tokens.keyring.following import FOLLOW_SECONDS
from tokens.listing.sessions import SessionQuery
from tokens.models import Session

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
CLIENTS = 4
ASYMMETRIC = ["EdDSA", "RS256", "ES256"]
# What each client does with tokens of a new key before the next change.
REFRESHES = 6
PATIENCE_SECONDS = 240
# How long the clients keep the key set here. The portal says 300 seconds, and `promote` waits for
# them; the test waits as long as a client keeps it.
KEPT_SECONDS = 3.0
RING = {"SIGNING_KEYS": "database", "SIGNING_KEYS_SECRET": SECRET}


@pytest.fixture
def hosts(
    transactional_db: None, settings: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[PortalServer]]:
    """Serve two hosts that follow one ring, which begins with the key of the environment."""
    settings.SIGNING_KEYS, settings.SIGNING_KEYS_SECRET = RING["SIGNING_KEYS"], SECRET
    add_from_environment()
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serving(tmp_path_factory.mktemp("host"), WEB_CONCURRENCY="2", **RING)
            )
            for _ in range(2)
        ]


def header(token: str) -> dict[str, str]:
    return dict(jwt.get_unverified_header(token))


# It verifies a token, or raises an exception, and returns the name of the library.
Verify = Callable[[str], str]


def with_pyjwt(address: str) -> Verify:
    client = jwt.PyJWKClient(address, lifespan=KEPT_SECONDS)

    def verify(token: str) -> str:
        key = client.get_signing_key_from_jwt(token)
        assert key.algorithm_name == header(token)["alg"]
        jwt.decode(token, key.key, algorithms=[key.algorithm_name])
        return "PyJWT"

    return verify


def with_joserfc(address: str) -> Verify:
    """Return a client like those of Authlib's users: it keeps the key set for a while."""
    keys, read_at = KeySet([]), float("-inf")

    def verify(token: str) -> str:
        nonlocal keys, read_at
        if time.monotonic() - read_at > KEPT_SECONDS:
            keys, read_at = KeySet.import_key_set(requests.get(address).json()), time.monotonic()
        decoded = joserfc_jwt.decode(token, keys, algorithms=ASYMMETRIC)
        joserfc_jwt.JWTClaimsRegistry().validate(decoded.claims)
        return "joserfc"

    return verify


@dataclass
class Load:
    """Clients that log in, refresh, call and verify at either host until the block ends.

    ``ended`` are the keys whose tokens may be refused: those of an emergency.
    """

    hosts: list[PortalServer]
    ended: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # For each client, how often it has refreshed a token of each key.
    refreshed: list[Counter[str]] = field(default_factory=list)
    # When the last call that was accepted with a token of each key began.
    accepted: dict[str, float] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    one_login: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self, users: list[User]) -> Iterator[None]:
        self.refreshed = [Counter() for _ in users]
        threads = [
            threading.Thread(target=self._guarded, args=(number, user))
            for number, user in enumerate(users)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def wait_for(self, kid: str) -> None:
        """Wait until each client has refreshed tokens of a key a few times."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not all(counts[kid] >= REFRESHES for counts in self.refreshed):
            assert not self.failures, self.failures[:5]
            assert time.monotonic() < until, self.refreshed
            time.sleep(0.05)

    def _guarded(self, number: int, user: User) -> None:
        try:
            self._client(number, user.username)
        except Exception as error:  # noqa: BLE001  (shown by the test)
            self.failures.append(f"{type(error).__name__}: {error}")

    def _client(self, number: int, username: str) -> None:
        choice = random.Random(number)
        # Two other projects' clients verify each access token against the key set of each host.
        addresses = [f"{host.url}/.well-known/jwks.json" for host in self.hosts]
        verifiers: list[Verify] = [
            *(with_pyjwt(address) for address in addresses),
            *(with_joserfc(address) for address in addresses),
        ]
        pair = self._login(choice, username)
        while not self.stopped.is_set() and not self.failures:
            began = time.monotonic()
            answer = choice.choice(self.hosts).call("GET", "/api/restricted", token=pair["access"])
            if self._accepts(answer, pair, "access", began):
                self._verify(choice.choice(verifiers), pair["access"])
                before = header(pair["refresh"])["kid"]
                began = time.monotonic()
                answer = choice.choice(self.hosts).call(
                    "POST", "/api/refresh", json={"refresh": pair["refresh"]}
                )
                if self._accepts(answer, pair, "refresh", began):
                    pair = answer.json()
                    self.refreshed[number][before] += 1
                    if choice.random() < 0.9:
                        continue
                    out = choice.choice(self.hosts).call(
                        "POST", "/api/logout", json={"refresh": pair["refresh"]}
                    )
                    self._note("logout", out, out.status_code == 200)
            pair = self._login(choice, username)

    def _login(self, choice: random.Random, username: str) -> dict[str, str]:
        body = {"username": username, "password": PASSWORD}
        with self.one_login:
            answer = choice.choice(self.hosts).call("POST", "/api/login", json=body)
        self._note("login", answer, answer.status_code == 200)
        return dict(answer.json())

    def _accepts(
        self, answer: requests.Response, pair: dict[str, str], name: str, began: float
    ) -> bool:
        """Note the answer to a token of a pair, and return whether it was accepted."""
        kid = header(pair[name])["kid"]
        accepted = answer.status_code == 200
        if accepted:
            self.accepted[kid] = max(began, self.accepted.get(kid, 0))
        # The process may have followed between the two tokens of the pair.
        ends = any(header(token)["kid"] in self.ended for token in pair.values())
        refused = answer.status_code == 401 and ends
        self._note(answer.request.path_url, answer, accepted or refused)
        return accepted

    def _verify(self, verify: Verify, token: str) -> None:
        kid, algorithm = header(token)["kid"], header(token)["alg"]
        if algorithm == "HS256" or kid in self.ended:
            return
        self.calls[f"{verify(token)} verified {algorithm}"] += 1

    def _note(self, call: str, answer: requests.Response, expected: bool) -> None:
        self.calls[f"{call} {answer.status_code}"] += 1
        if not expected:
            self.failures.append(f"{call}: {answer.status_code} {answer.text[:200]}")


def in_key_sets(hosts: list[PortalServer], kid: str) -> bool:
    """Return whether every one of several answers of each host has a key in it."""
    answers = [
        host.call("GET", "/.well-known/jwks.json").json() for host in hosts for _ in range(8)
    ]
    found = {any(key["kid"] == kid for key in answer["keys"]) for answer in answers}
    assert len(found) == 1, answers
    return found.pop()


def add_upcoming(run, hosts: list[PortalServer], algorithm: str) -> dict[str, Any]:
    """Add a key, and wait until every process and every client has it."""
    (key,) = run("add", "--alg", algorithm)["keys"]
    assert key["state"] == "upcoming"
    time.sleep(FOLLOW_SECONDS)
    assert in_key_sets(hosts, key["kid"])
    time.sleep(KEPT_SECONDS)
    return dict(key)


# joserfc prefers the name Ed25519 (RFC 9864), which PyJWT does not know.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_rotation_over_four_algorithms_fails_no_call(hosts, run):
    users = [make_user(f"client{number}") for number in range(CLIENTS)]
    load = Load(hosts)
    (first,) = run("list")["keys"]
    with load.running(users):
        load.wait_for(first["kid"])
        for algorithm in ASYMMETRIC:
            key = add_upcoming(run, hosts, algorithm)
            run("promote", key["kid"], "--now")
            load.wait_for(key["kid"])
        ready = add_upcoming(run, hosts, "EdDSA")
        leaked = key["kid"]
        load.ended.add(leaked)
        said = run("retire", leaked, "--emergency", "--yes", "--reason", "leaked")
        ended = time.monotonic()
        successor = said["keys"][0]["successor"]["kid"]
        assert successor == ready["kid"]
        load.wait_for(successor)
        time.sleep(max(0, ended + FOLLOW_SECONDS - time.monotonic()))
        assert not in_key_sets(hosts, leaked)
        assert in_key_sets(hosts, successor)
    assert not load.failures, load.failures[:5]
    assert load.accepted[leaked] <= ended + FOLLOW_SECONDS
    verified = {
        f"{library} verified {name}" for library in ("PyJWT", "joserfc") for name in ASYMMETRIC
    }
    assert verified <= load.calls.keys()
    assert Session.objects.filter(revoke_reason="leaked").exists()
    assert not SessionQuery(signing_key=leaked).live_sessions().exists()


def test_hosts_with_and_without_the_ring_accept_each_others_tokens(
    hosts, tmp_path, alice, settings
):
    """The hosts move to the ring one after the other."""
    with serving(tmp_path, WEB_CONCURRENCY="2") as old:
        for issuer, other in ((old, hosts[0]), (hosts[0], old)):
            pair = issuer.login("alice", PASSWORD)
            assert other.call("GET", "/api/restricted", token=pair["access"]).status_code == 200
            answer = other.call("POST", "/api/refresh", json={"refresh": pair["refresh"]})
            assert answer.status_code == 200
            out = issuer.call("POST", "/api/logout", json={"refresh": answer.json()["refresh"]})
            assert out.status_code == 200
