"""The portal's public keys (RFC 7517)."""

from typing import Any, NamedTuple

from jwt import PyJWK
from jwt.exceptions import PyJWTError

# For keys that name no algorithm. None is ever taken from a token (RFC 8725, section 3.1).
BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ASYMMETRIC = (*RSA, *BY_CURVE.values())


class Key(NamedTuple):
    """Hold a public key and the one algorithm that it is for."""

    algorithm: str
    public: Any


def read_keys(document: Any) -> dict[str, Key]:
    """Return the usable keys of a key set by their id.

    A shared secret, a key without an id and a key for encryption are left out. Raises ValueError if
    ``document`` is no key set.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no key set")
    found = {}
    for jwk in listed:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        kid, algorithm = jwk.get("kid"), jwk.get("alg") or _default_algorithm(jwk)
        if not isinstance(kid, str) or algorithm not in ASYMMETRIC:
            continue
        try:
            found[kid] = Key(algorithm, PyJWK(jwk, algorithm).key)
        except (PyJWTError, ValueError, TypeError):
            continue
    return found


def _default_algorithm(jwk: dict[str, Any]) -> str:
    return "RS256" if jwk.get("kty") == "RSA" else BY_CURVE.get(str(jwk.get("crv")), "")
