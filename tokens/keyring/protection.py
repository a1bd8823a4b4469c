"""Encrypt private keys, and prove that the rest of their rows was written by the portal.

The key of AES-GCM is derived from SIGNING_KEYS_SECRET. All other columns of the row are associated
data: a row whose state, date or public key was changed by anybody without the secret can't be
decrypted, and is no key.
"""

import json
from datetime import UTC, datetime

from tokens import encryption
from tokens.conf import app_settings
from tokens.encryption import NotAuthentic
from tokens.models import SigningKey

VERSION = 1
PURPOSE = "tokens.keyring"

__all__ = ["NotAuthentic", "protect", "reveal"]


def protect(key: SigningKey, material: str) -> None:
    """Set ``protected`` of a row whose other columns are final. Saves nothing."""
    key.protected = encryption.encrypt(
        material.encode(errors="surrogateescape"),
        secret=app_settings.SIGNING_KEYS_SECRET,
        purpose=PURPOSE,
        bound_to=_columns(key),
    )


def reveal(key: SigningKey) -> str:
    """Return the private key as PEM, or the secret; "" of a retired key. Raises `NotAuthentic`."""
    secrets = (app_settings.SIGNING_KEYS_SECRET, *app_settings.SIGNING_KEYS_RETIRED_SECRETS)
    found = encryption.decrypt(
        bytes(key.protected), secrets=secrets, purpose=PURPOSE, bound_to=_columns(key)
    )
    return found.decode(errors="surrogateescape")


def _columns(key: SigningKey) -> bytes:
    """Return all columns but the encrypted one, in a form that is the same for the same values."""
    instants = (key.added_at, key.signing_at, key.verifying_at, key.retired_at)
    values = [VERSION, key.kid, key.algorithm, key.state, *map(_text, instants), key.public]
    return json.dumps(values).encode()


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()
