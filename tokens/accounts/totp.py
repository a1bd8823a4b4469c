"""One-time codes of an authenticator app (TOTP, RFC 6238): six digits for 30 seconds, SHA-1.

The key is encrypted with one that is derived from SECRET_KEY, and bound to its account. After
SECRET_KEY has changed, it is read with those of SECRET_KEY_FALLBACKS.
"""

import base64
import hmac
import os
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser

from tokens import encryption
from tokens.conf import key_text
from tokens.models import Factor

# As many bytes as the digest has (RFC 4226, section 4).
KEY_BYTES = 20
DIGITS, STEP_SECONDS = 6, 30
# A code may be one step old when it arrives, or come from a clock that is ahead.
STEPS = (0, -1, 1)
STORED, ENROLMENT = "tokens.factors", "tokens.enrolment"


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def typed_key(key: bytes) -> str:
    """Return a key as people type it into an app: Base32 in groups of four."""
    text = base64.b32encode(key).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def key_from(text: str) -> bytes:
    """Return the key in a text of `typed_key`. Raises ValueError."""
    return base64.b32decode(text.replace(" ", ""))


def address(key: bytes, *, user: AbstractBaseUser, issuer: str) -> str:
    """Return the ``otpauth:`` address that an app reads from a picture."""
    # Some apps show a plus where it means a space.
    return _totp(key).get_provisioning_uri(user.get_username(), issuer).replace("+", "%20")


def protect(key: bytes, *, user: AbstractBaseUser, purpose: str = STORED) -> bytes:
    """Return a key encrypted, as it is stored, or for a form that brings it back."""
    secret = key_text(settings.SECRET_KEY)
    return encryption.encrypt(key, secret=secret, purpose=purpose, bound_to=_owner(user))


def reveal(protected: bytes, *, user: AbstractBaseUser, purpose: str = STORED) -> bytes:
    """Return the key. Raises `tokens.encryption.NotAuthentic`."""
    secrets = map(key_text, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    return encryption.decrypt(protected, secrets=secrets, purpose=purpose, bound_to=_owner(user))


def matching_step(factor: Factor, *, user: AbstractBaseUser, code: str, now: datetime) -> int:
    """Return the time step (a count of 30 seconds since 1970) that has ``code``; 0 if none has.

    A stored key that can't be decrypted has no codes.
    """
    key = _key_of(factor, user=user)
    return step_of(key, code=code, now=now) if key else 0


def is_key_of(factor: Factor, *, user: AbstractBaseUser, key: bytes) -> bool:
    """Return whether ``key`` is stored as this factor."""
    return hmac.compare_digest(_key_of(factor, user=user), key)


def _key_of(factor: Factor, *, user: AbstractBaseUser) -> bytes:
    """Return the stored key; no bytes if it can't be decrypted."""
    try:
        return reveal(bytes(factor.credential), user=user)
    except encryption.NotAuthentic:
        return b""


def step_of(key: bytes, *, code: str, now: datetime) -> int:
    """Return the time step in which the app with ``key`` shows ``code``; 0 if none near does."""
    if len(code) != DIGITS or not (code.isascii() and code.isdecimal()):
        return 0
    here, totp = int(now.timestamp()) // STEP_SECONDS, _totp(key)
    for step in (here + away for away in STEPS):
        if hmac.compare_digest(totp.generate(step * STEP_SECONDS).decode(), code):
            return step
    return 0


def _totp(key: bytes) -> TOTP:
    return TOTP(key, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def _owner(user: AbstractBaseUser) -> bytes:
    return f"{user.pk}".encode()
