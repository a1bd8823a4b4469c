"""Keys have ids that give nothing away, and a retired key goes on verifying."""

import json
from hashlib import sha512

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.checks import run_checks
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.tokens import AccessToken

from tests.support.tokens import failed, pair_of, refused
from tokens.audit.chain import sealing_key
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import key_ring, make_key
from tokens.jwt.signing import read, sign

HS256 = ALGORITHMS["HS256"]
SECRET = "an-older-key-of-this-portal-0123456789-abcdefghijklmnop"


def pem(private):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_key_id_of_a_secret_is_stable_and_does_not_contain_it():
    kid = make_key(material=SECRET, algorithm=HS256).kid
    assert kid == make_key(material=SECRET, algorithm=HS256).kid
    assert kid != make_key(material=SECRET + "x", algorithm=HS256).kid
    assert kid not in SECRET


def test_repr_of_a_key_shows_no_secret():
    assert SECRET not in repr(make_key(material=SECRET, algorithm=HS256))


@pytest.mark.parametrize(
    ("algorithm", "generate"),
    [
        ("RS256", lambda: rsa.generate_private_key(65537, 2048)),
        ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate),
    ],
)
def test_asymmetric_key_signs_verifies_and_publishes_its_public_half(
    alice, settings, algorithm, generate
):
    settings.JWT_SIGNING_KEY = pem(generate()).replace("\n", "\\n")
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"ALGORITHM": algorithm}
    assert failed(pair_of(alice).access) is None
    jwk = key_ring().current.jwk
    assert jwk["alg"] == algorithm
    assert jwk["kid"] == key_ring().current.kid
    assert not {"d", "p", "q"} & jwk.keys()
    json.dumps(jwk)


def test_token_stays_valid_while_its_key_is_retired(alice, settings):
    pair = pair_of(alice)
    old, settings.JWT_SIGNING_KEY = settings.JWT_SIGNING_KEY, SECRET
    settings.JWT_RETIRED_KEYS = [old]
    assert failed(pair.access) is None
    assert not refused(pair.refresh)


def test_token_of_a_removed_key_is_refused(alice, settings):
    pair = pair_of(alice)
    settings.JWT_SIGNING_KEY = SECRET
    assert failed(pair.access) == failed(pair.refresh) == "signature"


@pytest.mark.parametrize(("call", "name"), [("logout", "refresh"), ("revoke", "token")])
def test_logout_with_a_key_that_this_host_lacks_is_refused_for_now(
    api, alice, settings, call, name
):
    """The host that issued the token was given the key before this one."""
    here, settings.JWT_SIGNING_KEY = settings.JWT_SIGNING_KEY, SECRET
    pair = pair_of(alice)
    settings.JWT_SIGNING_KEY = here
    answer = api.post(f"/api/{call}", {name: pair.refresh}, format="json")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    settings.JWT_RETIRED_KEYS = [SECRET]
    assert api.post(f"/api/{call}", {name: pair.refresh}, format="json").status_code == 200
    assert failed(pair.refresh) == "revoked"


def test_text_that_is_not_a_pem_raises_value_error():
    with pytest.raises(ValueError, match="PEM"):
        make_key(material="rubbish", algorithm=ALGORITHMS["RS256"])


@pytest.mark.parametrize(
    ("algorithm", "make"),
    [
        ("HS256", lambda: b"Zr8vQ2mX9kLw4TnB7cHy5JpD1sFg6AeUo3RiVtNxKb0MqWzS"),
        ("HS256", lambda: sha512(b"some bytes").digest()),
        ("RS256", lambda: rsa.generate_private_key(65537, 2048)),
    ],
    ids=["bytes", "bytes that are no text", "private key"],
)
def test_key_that_a_project_does_not_give_as_text_signs_the_same(settings, algorithm, make):
    key = make()
    verifying = key.public_key() if algorithm == "RS256" else ""
    settings.STRICT_CHECKS = False
    settings.AUDIT_KEY, settings.AUDIT_KEY_REQUIRED = "", False
    del settings.JWT_SIGNING_KEY
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": algorithm, "SIGNING_KEY": key}
    stock = TokenBackend(algorithm, key, verifying)
    claims = {"jti": "x", "token_type": "access", "exp": 2**32, "user_id": "1"}
    assert read(stock.encode(claims)) == claims
    token = AccessToken()
    token.payload = claims
    assert stock.decode(sign(token)) == claims
    assert sealing_key().secret
    assert {one.id for one in run_checks(tags=["tokens"])} <= {"tokens.W010"}
