"""Encrypt private keys, and prove that the rest of their rows was written by the portal.

The key of AES-GCM is derived from SIGNING_KEYS_SECRET. All other columns of the row are associated
data: a row whose state, date or public key was changed by anybody without the secret can't be
decrypted, and is no key.
"""

import json
import os
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tokens.conf import app_settings
from tokens.models import SigningKey

VERSION = 1
NONCE_BYTES = 12


class NotAuthentic(Exception):
    """Raised for a row that no current or earlier secret has written as it is now."""


def protect(key: SigningKey, material: str) -> None:
    """Set ``protected`` of a row whose other columns are final. Saves nothing."""
    nonce = os.urandom(NONCE_BYTES)
    secret = material.encode(errors="surrogateescape")
    sealed = _cipher(app_settings.SIGNING_KEYS_SECRET).encrypt(nonce, secret, _columns(key))
    key.protected = nonce + sealed


def reveal(key: SigningKey) -> str:
    """Return the private key as PEM, or the secret; "" of a retired key. Raises `NotAuthentic`."""
    stored, columns = bytes(key.protected), _columns(key)
    secrets = (app_settings.SIGNING_KEYS_SECRET, *app_settings.SIGNING_KEYS_RETIRED_SECRETS)
    # Anyone can encrypt with the empty secret of a setting that is not set.
    for secret in filter(None, secrets):
        try:
            found = _cipher(secret).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], columns)
        except (InvalidTag, ValueError):
            continue
        return found.decode(errors="surrogateescape")
    raise NotAuthentic(f"The row of the signing key {key.kid!r} is not authentic.")


def _columns(key: SigningKey) -> bytes:
    """Return all columns but the encrypted one, in a form that is the same for the same values."""
    instants = (key.added_at, key.signing_at, key.verifying_at, key.retired_at)
    values = [VERSION, key.kid, key.algorithm, key.state, *map(_text, instants), key.public]
    return json.dumps(values).encode()


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


@lru_cache(maxsize=8)
def _cipher(secret: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tokens.keyring")
    return AESGCM(derive.derive(secret.encode(errors="surrogateescape")))
