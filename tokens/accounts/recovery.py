"""Recovery codes: ten for an account, each of which replaces the second factor once.

A code has 120 random bits, so that a plain digest protects it (OWASP ASVS 5.0, 6.5.2).
"""

import base64
import hashlib
import os

from django.contrib.auth.base_user import AbstractBaseUser

from tokens.models import RecoveryCode

CODES, CODE_BYTES, GROUP = 10, 15, 6


def replace_codes(user: AbstractBaseUser) -> list[str]:
    """Make the only codes of an account, and return them. They can't be read again."""
    codes = [_new_code() for _ in range(CODES)]
    RecoveryCode.objects.filter(user=user.pk).delete()
    RecoveryCode.objects.bulk_create(
        [RecoveryCode(user_id=user.pk, digest=digest(code)) for code in codes]
    )
    return codes


def use_code(user: AbstractBaseUser, code: str) -> bool:
    """Delete a code if the account has it; of two calls with one code, one gets True."""
    deleted, _ = RecoveryCode.objects.filter(user=user.pk, digest=digest(code)).delete()
    return bool(deleted)


def digest(code: str) -> str:
    """Return the SHA-256 of a code, however its case and groups were typed."""
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


def _new_code() -> str:
    text = base64.b32encode(os.urandom(CODE_BYTES)).decode().lower()
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))
