"""Keys have ids that give nothing away, and a retired key goes on verifying."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.lifecycle import failed, pair_of, refused
from tokens.keys import key_ring, make_key

SECRET = "an-older-key-of-this-portal-0123456789-abcdefghijklmnop"


def pem(private):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_the_id_of_a_secret_is_stable_and_not_made_of_it():
    kid = make_key(material=SECRET, algorithm="HS256").kid
    assert kid == make_key(material=SECRET, algorithm="HS256").kid
    assert kid != make_key(material=SECRET + "x", algorithm="HS256").kid
    assert kid not in SECRET


def test_repr_shows_no_key():
    assert SECRET not in repr(make_key(material=SECRET, algorithm="HS256"))


@pytest.mark.parametrize(
    ("algorithm", "private"),
    [
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_an_asymmetric_key_signs_verifies_and_publishes_its_public_half(
    alice, settings, algorithm, private
):
    settings.JWT_SIGNING_KEY = pem(private).replace("\n", "\\n")
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"ALGORITHM": algorithm}
    assert failed(pair_of(alice).access) is None
    jwk = key_ring().current.jwk
    assert jwk["alg"] == algorithm
    assert jwk["kid"] == key_ring().current.kid
    assert not {"d", "p", "q"} & jwk.keys()
    json.dumps(jwk)


def test_tokens_outlive_the_key_they_were_signed_with_while_it_is_retired(alice, settings):
    pair = pair_of(alice)
    old, settings.JWT_SIGNING_KEY = settings.JWT_SIGNING_KEY, SECRET
    settings.JWT_RETIRED_KEYS = [old]
    assert failed(pair.access) is None
    assert not refused(pair.refresh)


def test_a_key_that_is_gone_opens_nothing(alice, settings):
    pair = pair_of(alice)
    settings.JWT_SIGNING_KEY = SECRET
    assert failed(pair.access) == failed(pair.refresh) == "signature"


def test_rubbish_is_no_key():
    with pytest.raises(ValueError, match="PEM"):
        make_key(material="rubbish", algorithm="RS256")
