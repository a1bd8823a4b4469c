"""A public key is public: nothing signed *with* it is believed, in whatever spelling."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from tokens.jwt.keys import key_ring
from tokens.sessions.issue import open_session
from tokens.validation.validator import validate

MAKERS: dict[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@pytest.fixture(params=sorted(MAKERS))
def asymmetric(request, settings):
    pem = MAKERS[request.param]().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    settings.JWT_SIGNING_KEY = pem.decode()
    settings.SIMPLE_JWT = {
        **settings.SIMPLE_JWT,
        "ALGORITHM": request.param,
        "SIGNING_KEY": pem.decode(),
    }
    return key_ring().current


def spellings(key) -> list[bytes]:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    encodings = (serialization.Encoding.PEM, serialization.Encoding.DER)
    texts = [key.verifying.public_bytes(encoding, public) for encoding in encodings]
    return [*texts, texts[0].strip(), json.dumps(key.jwk).encode()]


def forged(claims: dict, secret: bytes, kid: str | None) -> str:
    """PyJWT refuses to sign with a PEM as a secret; an attacker's tool does not."""
    header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    head, body = (
        jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (header, claims)
    )
    signed = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        head + b"." + body, secret
    )
    return b".".join([head, body, jwt.utils.base64url_encode(signed)]).decode()


def test_portal_accepts_its_own_asymmetric_tokens(asymmetric, alice) -> None:
    pair = open_session(user=alice)
    assert validate(token=pair.access).active
    assert validate(token=pair.refresh).active


def test_a_token_signed_with_the_public_key_is_refused(asymmetric, alice, client) -> None:
    claims = validate(token=open_session(user=alice).access).claims
    claims = {**claims, "exp": int(timezone.now().timestamp()) + 300}
    for secret in spellings(asymmetric):
        for kid in (None, asymmetric.kid):
            token = forged(claims, secret, kid)
            answer = client.get("/api/restricted", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 401


def test_only_the_public_half_is_served(asymmetric, client, db) -> None:
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]
    assert key["kid"] == asymmetric.kid
    assert not {"d", "p", "q", "k"} & key.keys()
