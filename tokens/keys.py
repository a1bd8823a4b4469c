"""The signing key, the keys that only verify any more, and their ids (RFC 7517, RFC 7638).

Keys come from the settings alone; no header of a token ever names a place to fetch one from.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.conf import settings
from django.core.signals import setting_changed
from jwt import get_algorithm_by_name

# RFC 7638, section 3.2: the members that a thumbprint is made of.
REQUIRED = frozenset({"kty", "crv", "x", "y", "n", "e"})


@dataclass(frozen=True, slots=True)
class Key:
    """``signing`` and ``verifying`` are what PyJWT takes; ``jwk`` the public key as RFC 7517
    has it, or None for a shared secret."""

    kid: str
    signing: Any = field(repr=False)
    verifying: Any = field(repr=False)
    jwk: dict[str, str] | None


def is_symmetric(algorithm: str) -> bool:
    return algorithm.startswith("HS")


def _thumbprint(members: dict[str, str]) -> str:
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest())[:22].decode()


def make_key(*, material: str, algorithm: str) -> Key:
    """A key from a secret or a PEM private key; raises ValueError where it fits no such use."""
    if is_symmetric(algorithm):
        secret = material.encode()
        # Keyed by the secret itself, so that the id gives away nothing to guess against.
        kid = hmac.new(secret, b"tokens.kid", hashlib.sha256).hexdigest()[:16]
        return Key(kid, secret, secret, None)
    pem = material.replace("\\n", "\n").encode()
    private: PrivateKeyTypes = serialization.load_pem_private_key(pem, password=None)
    public = private.public_key()
    algorithm_object: Any = get_algorithm_by_name(algorithm)
    jwk: dict[str, str] = algorithm_object.to_jwk(public, as_dict=True)
    jwk.pop("key_ops", None)
    kid = _thumbprint({name: value for name, value in jwk.items() if name in REQUIRED})
    return Key(kid, private, public, {**jwk, "kid": kid, "use": "sig", "alg": algorithm})


@dataclass(frozen=True, slots=True)
class KeyRing:
    algorithm: str
    current: Key
    by_kid: dict[str, Key]


@lru_cache(maxsize=1)
def key_ring() -> KeyRing:
    """The keys in force. Cached, because parsing a PEM costs more than checking a signature."""
    algorithm = settings.SIMPLE_JWT["ALGORITHM"]
    current = make_key(material=settings.JWT_SIGNING_KEY, algorithm=algorithm)
    retired = [make_key(material=text, algorithm=algorithm) for text in settings.JWT_RETIRED_KEYS]
    return KeyRing(algorithm, current, {key.kid: key for key in [*retired, current]})


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"SIMPLE_JWT", "JWT_SIGNING_KEY", "JWT_RETIRED_KEYS"}:
        key_ring.cache_clear()


setting_changed.connect(_forget)
