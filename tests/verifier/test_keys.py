"""A service follows the keys of the portal's ring."""

import jwt
import pytest
from token_portal_verifier import Invalid, Verifier

from tests.keyring.conftest import SECRET
from tests.support.users import PASSWORD
from tests.verifier.conftest import AUDIENCE, ISSUER, within
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key, promote_key, retire_in_emergency


@pytest.fixture
def portal(serve, settings):
    settings.SIGNING_KEYS, settings.SIGNING_KEYS_SECRET = "database", SECRET
    add_key(algorithm=ALGORITHMS["ES256"])
    return serve(
        SIGNING_KEYS="database",
        SIGNING_KEYS_SECRET=SECRET,
        JWT_ISSUER=ISSUER,
        JWT_AUDIENCE=AUDIENCE,
    )


def sign_in(portal) -> str:
    return str(portal.login("alice", PASSWORD)["access"])


def key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def reason(verifier: Verifier, token: str) -> str | None:
    try:
        verifier.verify(token)
    except Invalid as error:
        return error.reason
    return None


def test_retired_key_is_refused_within_seconds_and_no_other(verifier, portal, alice):
    """No session is revoked here: the service learns it from the key set alone."""
    billing = verifier(poll_interval=0.5)
    stolen = sign_in(portal)
    assert reason(billing, stolen) is None
    ready = add_key(algorithm=ALGORITHMS["EdDSA"]).key
    promote_key(kid=ready.kid, at_once=True)
    good = sign_in(portal)
    while key_of(good) != ready.kid:  # by a worker that has not followed yet
        good = sign_in(portal)
    assert within(60, lambda: reason(billing, good) is None)
    assert reason(billing, stolen) is None
    retire_in_emergency(kid=key_of(stolen), reason="leaked")
    # Five seconds for the portal, and a poll. A busy machine takes longer; max-age is 300.
    assert within(60, lambda: reason(billing, stolen) == "key")
    assert reason(billing, good) is None
