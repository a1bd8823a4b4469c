"""Make tokens that no one may accept, for a key of any asymmetric algorithm.

The portal and the verifier are held to the same table.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm, get_default_algorithms
from jwt.utils import base64url_encode

from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import Key, make_key

ASYMMETRIC = [name for name, algorithm in ALGORITHMS.items() if not algorithm.symmetric]
HASHES = {
    "HS256": HMACAlgorithm.SHA256,
    "HS384": HMACAlgorithm.SHA384,
    "HS512": HMACAlgorithm.SHA512,
}
# Nothing listens there, and a call to it would be noticed.
ELSEWHERE = "http://127.0.0.1:9"
Claims = Mapping[str, Any]


@lru_cache(maxsize=len(ASYMMETRIC))
def material(name: str) -> str:
    """Return a private key for an algorithm. The algorithms for RSA share one."""
    algorithm = ALGORITHMS[name]
    if algorithm.key_type == "RSA" and name != "RS256":
        return material("RS256")
    return algorithm.generate()


def signed(claims: Claims, header: Claims, key: Key, *, algorithm: str = "") -> str:
    """Sign with the real key, under any header."""
    made = get_default_algorithms()[algorithm or key.algorithm.name]
    head, body = _part(header), _part(claims)
    signature = made.sign(head + b"." + body, key.signing)
    return b".".join([head, body, base64url_encode(signature)]).decode()


def forgeries(*, claims: Claims, header: Claims, key: Key) -> Iterator[tuple[str, str]]:
    """Yield tokens with a name each. ``claims`` under ``header``, signed with ``key``, is good."""
    good = signed(claims, header, key)
    head, body, signature = good.split(".")
    yield from _unsigned(claims, header, signature)
    yield from _with_a_shared_secret(claims, header, key)
    other = make_key(material=key.algorithm.generate(), algorithm=key.algorithm)
    yield "another key", signed(claims, header, other)
    yield "its own key", signed(claims, {**header, "jwk": other.jwk}, other)
    yield "changed claims", f"{head}.{_part({**claims, 'user_id': '99999'}).decode()}.{signature}"
    yield "no signature", f"{head}.{body}."
    for name in ASYMMETRIC:
        if (
            name != key.algorithm.name
            and ALGORITHMS[name].key_type == key.algorithm.key_type == "RSA"
        ):
            yield f"signed by {name}", signed(claims, {**header, "alg": name}, key, algorithm=name)
        if name != key.algorithm.name:
            yield f"named {name}", signed(claims, {**header, "alg": name}, key)
    for name, extra in _headers(key):
        yield name, signed(claims, {**header, **extra}, key)


def _unsigned(claims: Claims, header: Claims, signature: str) -> Iterator[tuple[str, str]]:
    for alg in ("none", "None", "NONE", "nOnE", "", None):
        for end in ("", "AAAA", signature):
            parts = [_part({**header, "alg": alg}).decode(), _part(claims).decode(), end]
            yield f"alg {alg!r} with {len(end)}", ".".join(parts)


def _with_a_shared_secret(claims: Claims, header: Claims, key: Key) -> Iterator[tuple[str, str]]:
    """Yield tokens signed with what anyone has. PyJWT refuses to, an attacker's tool does not."""
    assert not isinstance(key.verifying, bytes)
    pem, der, *_ = (
        key.verifying.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        for encoding in (Encoding.PEM, Encoding.DER)
    )
    secrets = {
        "blank": b"",
        "PEM": pem,
        "stripped PEM": pem.strip(),
        "DER": der,
        "JWK": json.dumps(key.jwk).encode(),
        "canonical JWK": json.dumps(key.jwk, separators=(",", ":"), sort_keys=True).encode(),
        "kid": key.kid.encode(),
    }
    for alg, digest in HASHES.items():
        for name, secret in secrets.items():
            for kid in (header.get("kid"), None):
                named = {**header, "alg": alg, "kid": kid}
                forged = {field: value for field, value in named.items() if value is not None}
                head, body = _part(forged), _part(claims)
                mac = HMACAlgorithm(digest).sign(head + b"." + body, secret)
                token = b".".join([head, body, base64url_encode(mac)]).decode()
                yield f"{alg} with the {name} as secret, kid {kid}", token


def _headers(key: Key) -> Iterator[tuple[str, Claims]]:
    """Yield what a header may not say, also under a good signature."""
    yield "jwk", {"jwk": key.jwk}
    yield "jku", {"jku": f"{ELSEWHERE}/jwks.json"}
    yield "x5u", {"x5u": f"{ELSEWHERE}/x5u"}
    yield "x5c", {"x5c": ["AAAA"]}
    yield "unknown crit", {"crit": ["exp"], "exp": 1}
    yield "crit b64", {"crit": ["b64"], "b64": False}
    yield "b64", {"b64": False}
    yield "zip", {"zip": "DEF"}
    for kid in ("../../dev/null", "/dev/zero", "' OR 1=1 --", ELSEWHERE, "unknown", "", "x" * 5000):
        yield f"kid {kid[:12]!r}", {"kid": kid}
    odd_ids: tuple[object, ...] = (["a"], {}, 5, True)
    for odd in odd_ids:
        yield f"kid {odd!r}", {"kid": odd}


def _part(value: Claims) -> bytes:
    return base64url_encode(json.dumps(value).encode())
