"""A portal that answers oddly or slowly: nothing is accepted by mistake, and no call waits long."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from token_portal_verifier import Verifier, portal
from token_portal_verifier.keys import read_keys

from tests.support.forgeries import material, signed
from tests.verifier.fixed_portal import FEED, KEYS, FixedPortal, claims, page, reason
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import Key, make_key

pytestmark = pytest.mark.once
UNKNOWN = "another-key"


@pytest.fixture(scope="module")
def key() -> Key:
    return make_key(material=material("ES256"), algorithm=ALGORITHMS["ES256"])


@pytest.fixture
def server(key: Key) -> Iterator[FixedPortal]:
    with FixedPortal(key) as running:
        yield running


def token(key: Key, **header: str) -> str:
    return signed(claims(), {"alg": "ES256", "typ": "at+jwt", "kid": key.kid} | header, key)


def calling(server: FixedPortal, **options: Any) -> Verifier:
    """Return a verifier that polls with each call."""
    return server.verifier(background=False, poll_interval=0.0, **options)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, b'{"cursor": "a", "as_of": 1.0, "revocations": [{"before": NaN}]}'),
        (200, b" " * (portal.MOST_BYTES + 1)),
        (200, None),
        (200, []),
        (200, {}),
        (200, page(cursor=5)),
        (200, page(cursor="\ud800")),
        (200, page(revocations={})),
        (200, page(revocations=[[]])),
        (200, page(revocations=[{"sid": 5}])),
        (302, {}),
        (401, {}),
        (410, {}),
        (500, b""),
    ],
    ids=lambda answer: f"{answer[0]} {str(answer[1])[:50]}",
)
def test_feed_that_can_not_be_read_accepts_nothing(
    server: FixedPortal, key: Key, answer: tuple[int, Any]
) -> None:
    server.answers[FEED] = answer
    assert reason(calling(server), token(key)) == "stale"
    server.answers[FEED] = (200, page())
    assert reason(calling(server), token(key)) is None


def test_feed_that_repeats_a_page_is_not_read_for_ever(server: FixedPortal, key: Key) -> None:
    server.answers[FEED] = (200, page(revocations=[{"sid": "other"}]))
    assert reason(calling(server), token(key)) == "stale"
    assert server.asked.count(FEED) == 2


def test_feed_that_never_knows_its_cursor_is_not_read_for_ever(
    server: FixedPortal, key: Key
) -> None:
    billing = calling(server)
    assert reason(billing, token(key)) is None
    server.answers[FEED] = (410, {})
    for _ in range(2):
        assert reason(billing, token(key)) is None
    assert server.asked.count(FEED) == 3
    assert 0 < billing.staleness < 30


@pytest.mark.parametrize(
    "change", [{"alg": ["ES256"]}, {"alg": {"a": 1}}, {"crv": []}, {"x": 5}], ids=str
)
def test_odd_key_is_left_out_of_the_key_set(key: Key, change: dict[str, Any]) -> None:
    odd = {**dict(key.jwk or {}), "kid": "odd", **change}
    assert read_keys({"keys": [odd, key.jwk]}).keys() == {key.kid}


def test_keys_are_asked_for_again_until_they_are_read(server: FixedPortal, key: Key) -> None:
    good, server.answers[KEYS] = server.answers[KEYS], (503, {})
    billing = calling(server)
    assert reason(billing, token(key)) == "key"
    server.answers[KEYS] = good
    billing.poll()
    assert reason(billing, token(key)) is None


def test_unknown_key_is_looked_for_rarely_while_the_portal_is_away(
    server: FixedPortal, key: Key
) -> None:
    """Any client can write such a token."""
    billing = server.verifier(background=False, poll_interval=600.0, max_staleness=600.0)
    assert reason(billing, token(key)) is None
    server.answers[KEYS] = (503, {})
    billing._keys_asked -= 60
    for _ in range(5):
        assert reason(billing, token(key, kid=UNKNOWN)) == "key"
    assert server.asked.count(KEYS) == 2


def test_unknown_key_keeps_no_call_waiting_while_the_portal_is_slow(
    server: FixedPortal, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_portal_verifier.verifier.KEYS_WAIT", 0.1)
    billing = server.verifier(background=False, poll_interval=600.0, max_staleness=600.0)
    assert reason(billing, token(key)) is None
    server.released.clear()
    poll = threading.Thread(target=billing._try_poll)
    poll.start()
    while server.asked.count(FEED) < 2:
        time.sleep(0.01)
    billing._keys_asked -= 60
    began = time.monotonic()
    assert reason(billing, token(key, kid=UNKNOWN)) == "key"
    assert time.monotonic() - began < portal.TIMEOUT_SECONDS
    server.released.set()
    poll.join()
