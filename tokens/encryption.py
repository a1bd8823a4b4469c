"""Encrypt what the database must not show, with AES-GCM and a key that is derived from a secret.

Each use has a ``purpose``, and a key of its own. ``bound_to`` is the rest of the row: what was
stored beside other values can't be decrypted.
"""

import os
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class NotAuthentic(Exception):
    """Raised for bytes that no current or earlier secret has encrypted beside these values."""


def encrypt(plain: bytes, *, secret: str, purpose: str, bound_to: bytes) -> bytes:
    """Return the nonce (12 bytes) and the encrypted bytes."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(secret, purpose).encrypt(nonce, plain, bound_to)


def decrypt(stored: bytes, *, secrets: Iterable[str], purpose: str, bound_to: bytes) -> bytes:
    """Return what `encrypt` was given. Raises `NotAuthentic`."""
    # Anyone can encrypt with the empty secret of a setting that is not set.
    for secret in filter(None, secrets):
        try:
            return _cipher(secret, purpose).decrypt(
                stored[:NONCE_BYTES], stored[NONCE_BYTES:], bound_to
            )
        except (InvalidTag, ValueError):
            continue
    raise NotAuthentic


@lru_cache(maxsize=8)
def _cipher(secret: str, purpose: str) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
    return AESGCM(derive.derive(secret.encode(errors="surrogateescape")))
