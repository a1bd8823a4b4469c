"""The verifier refuses every token that the portal refuses, for each algorithm.

The portal here is a server with a fixed key set and no revocations.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from token_portal_verifier import Verifier

from tests.support.forgeries import ASYMMETRIC, forgeries, material, signed
from tests.support.system_calls import reaching
from tests.verifier.conftest import AUDIENCE, ISSUER
from tests.verifier.fixed_portal import FixedPortal, claims, reason
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import Key, make_key

pytestmark = pytest.mark.once


@pytest.fixture(params=ASYMMETRIC)
def key(request: pytest.FixtureRequest) -> Key:
    return make_key(material=material(request.param), algorithm=ALGORITHMS[request.param])


@pytest.fixture
def verifier(key: Key) -> Iterator[Verifier]:
    with FixedPortal(key) as server:
        yield server.verifier(background=False, poll_interval=600.0, max_staleness=600.0)


@pytest.fixture
def header(key: Key) -> dict[str, Any]:
    return {"alg": key.algorithm.name, "typ": "at+jwt", "kid": key.kid}


def test_forged_token_is_refused_without_reaching_for_anything(
    verifier: Verifier, key: Key, header: dict[str, Any]
) -> None:
    assert reason(verifier, signed(claims(), header, key)) is None
    tried = dict(forgeries(claims=claims(), header=header, key=key))
    assert len(tried) > 80
    with reaching() as seen:
        accepted = [name for name, token in tried.items() if reason(verifier, token) is None]
    assert accepted == []
    # The verifier may ask its portal again for a key that it does not know.
    assert [line for line in seen if f"'127.0.0.1', {verifier._portal._port}" not in line] == []


@pytest.mark.parametrize("key", ["ES256"], indirect=True)
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "malformed"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"exp": []}, "malformed"),
        ({"exp": "99999999999"}, "malformed"),
        ({"nbf": 99_999_999_999}, "early"),
        ({"iat": 99_999_999_999}, "early"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": None}, "malformed"),
        ({"aud": "search"}, "audience"),
        ({"aud": []}, "malformed"),
        ({"aud": None}, "malformed"),
        ({"aud": 5}, "audience"),
        ({"token_type": "refresh"}, "type"),
        ({"token_type": []}, "type"),
        ({"sid": None}, "malformed"),
        ({"sid": 5}, "session"),
        ({"sid": []}, "session"),
    ],
    ids=str,
)
def test_signed_token_with_wrong_claims_is_refused(
    verifier: Verifier, key: Key, header: dict[str, Any], change: dict[str, Any], wanted: str
) -> None:
    changed = {name: value for name, value in (claims() | change).items() if value is not None}
    assert reason(verifier, signed(changed, header, key)) == wanted


@pytest.mark.parametrize("key", ["ES256"], indirect=True)
def test_token_for_several_services_is_accepted(
    verifier: Verifier, key: Key, header: dict[str, Any]
) -> None:
    token = signed(claims() | {"aud": ["search", AUDIENCE]}, header, key)
    assert reason(verifier, token) is None
