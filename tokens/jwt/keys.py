"""Load the signing key and the keys that only verify (RFC 7517, RFC 7638).

Keys come from the settings, or with SIGNING_KEYS=database from the ring that `tokens.keyring`
follows. No header of a token ever names a place to fetch one from.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.core.signals import setting_changed
from jwt import get_algorithm_by_name
from rest_framework_simplejwt import settings as simplejwt

from tokens.conf import app_settings
from tokens.jwt.algorithms import ALGORITHMS, Algorithm, PrivateKey, PublicKey

# RFC 7638, section 3.2: the members that a thumbprint is made of.
THUMBPRINT_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e"})
KEY_SETTINGS = frozenset({"SIMPLE_JWT", "JWT_SIGNING_KEY", "JWT_RETIRED_KEYS", "SIGNING_KEYS"})
ENVIRONMENT, DATABASE = "environment", "database"
# How long clients keep the key set. A key is in it for that long before it signs.
JWKS_SECONDS = 300


class KeyUnavailable(Exception):
    """Raised if an act needs a signing key that this process does not have."""


@dataclass(frozen=True, slots=True)
class Key:
    """Hold one key in the forms that PyJWT takes, and the one algorithm that it is for.

    ``jwk`` is the public key of RFC 7517; None for a shared secret.
    """

    kid: str
    algorithm: Algorithm
    signing: bytes | PrivateKey = field(repr=False)
    verifying: bytes | PublicKey = field(repr=False)
    jwk: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Hold the key that signs and, by their ids, all keys that verify, the signing one first.

    ``retired`` are the ids of keys that are known, and verify no more. ``unusable`` are those of
    keys that could not be loaded.
    """

    signing: Key | None
    by_kid: Mapping[str, Key]
    retired: frozenset[str] = frozenset()
    unusable: frozenset[str] = frozenset()

    @property
    def current(self) -> Key:
        """Return the key that signs. Raises `KeyUnavailable` if there is none."""
        if self.signing is None:
            raise KeyUnavailable("No key of the ring signs.")
        return self.signing

    @property
    def public(self) -> list[Mapping[str, str]]:
        """Return the key set (RFC 7517): the public keys, and none for a shared secret."""
        return [key.jwk for key in self.by_kid.values() if key.jwk is not None]

    @property
    def mark(self) -> str:
        """Return a short text that changes with the keys of the key set."""
        kids = ",".join(sorted(key["kid"] for key in self.public))
        return hashlib.sha256(kids.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class KeySource:
    """Say where the keys come from.

    ``ring`` returns the keys of this process, and ``ring_with(kid)`` the keys after looking for one
    that they lack.
    """

    ring: Callable[[], KeyRing]
    ring_with: Callable[[str], KeyRing]


def configured_algorithm() -> Algorithm:
    """Return the algorithm that simplejwt's ALGORITHM setting names.

    Raises ValueError if the portal does not support it.
    """
    name = str(simplejwt.api_settings.ALGORITHM)
    if name not in ALGORITHMS:
        raise ValueError(f"The portal does not sign with {name!r}")
    return ALGORITHMS[name]


def make_key(*, material: str, algorithm: Algorithm) -> Key:
    """Make a key of a secret or of a PEM private key.

    Raises ValueError if the algorithm cannot use the material.
    """
    if algorithm.symmetric:
        secret = material.encode(errors="surrogateescape")
        # The secret keys its own id: the id gives nothing away to guess against.
        kid = hmac.new(secret, b"tokens.kid", hashlib.sha256).hexdigest()[:16]
        return Key(kid, algorithm, secret, secret, None)
    private = algorithm.load(material.replace("\\n", "\n"))
    public = private.public_key()
    jwk = dict(get_algorithm_by_name(algorithm.name).to_jwk(public, as_dict=True))
    jwk.pop("key_ops", None)
    kid = _thumbprint(jwk)
    jwk |= {"kid": kid, "use": "sig", "alg": algorithm.name}
    return Key(kid, algorithm, private, public, jwk)


def _thumbprint(jwk: Mapping[str, str]) -> str:
    members = {name: value for name, value in jwk.items() if name in THUMBPRINT_MEMBERS}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return urlsafe_b64encode(hashlib.sha256(canonical).digest())[:22].decode()


def key_ring() -> KeyRing:
    """Return the keys of this process."""
    return key_source().ring()


@lru_cache(maxsize=1)
def key_source() -> KeySource:
    """Return where the keys come from: what SIGNING_KEYS names."""
    return _sources[app_settings.SIGNING_KEYS]


def in_database() -> bool:
    """Tell whether the keys are in the database."""
    return app_settings.SIGNING_KEYS == DATABASE


def follow(source: KeySource) -> None:
    """Take the keys from ``source`` when SIGNING_KEYS says that they are in the database."""
    _sources[DATABASE] = source


@lru_cache(maxsize=1)
def environment_ring() -> KeyRing:
    """Load the keys that the settings name.

    Cached, because parsing a PEM takes longer than verifying a signature.
    """
    algorithm = configured_algorithm()
    current = make_key(material=app_settings.JWT_SIGNING_KEY, algorithm=algorithm)
    retired = [
        make_key(material=material, algorithm=algorithm)
        for material in app_settings.JWT_RETIRED_KEYS
    ]
    return KeyRing(current, {current.kid: current} | {key.kid: key for key in retired})


# `tokens.apps` adds the database, which this package doesn't know.
_sources = {ENVIRONMENT: KeySource(environment_ring, lambda kid: environment_ring())}


def _forget_keys(*, setting: str, **_: object) -> None:
    if setting in KEY_SETTINGS:
        environment_ring.cache_clear()
        key_source.cache_clear()


setting_changed.connect(_forget_keys)
