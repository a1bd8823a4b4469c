"""Check the settings of the ring, and use its keys, when the project starts."""

import jwt
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import Error as DatabaseError

from tokens.conf import app_settings, key_text
from tokens.jwt.keys import DATABASE, ENVIRONMENT, in_database
from tokens.jwt.strength import is_weak
from tokens.keyring.following import key_of, retired_in_trail
from tokens.keyring.protection import NotAuthentic
from tokens.models import SigningKey
from tokens.models.signing_key import KeyState

RANDOM = 'Use what `python -c "import secrets; print(secrets.token_urlsafe(48))"` prints.'


@register("tokens")
def check_ring(**_: object) -> list[CheckMessage]:
    """Check SIGNING_KEYS and its secret, and sign with each key of the ring (E011 to E014, W014).

    A database that is away, or has no tables yet, is no mistake of the settings.
    """
    if app_settings.SIGNING_KEYS not in (ENVIRONMENT, DATABASE):
        message = f"SIGNING_KEYS is neither {ENVIRONMENT} nor {DATABASE}."
        return [Error(message, hint="Set it to one of the two.", id="tokens.E011")]
    if not in_database():
        return []
    if problem := secret_problem():
        return [Error(problem, hint=RANDOM, id="tokens.E012")]
    try:
        rows = keys_in_use()
        unusable = [row for row in rows if not is_usable(row)]
    except DatabaseError:
        return []
    if not any(row.state == KeyState.SIGNING for row in rows):
        message = "SIGNING_KEYS is database, but no key of the ring signs."
        hint = "Add one with manage.py signing_keys add --from-environment, or --alg EdDSA."
        return [Error(message, hint=hint, id="tokens.E013")]
    return [_unusable(row) for row in unusable]


def keys_in_use() -> list[SigningKey]:
    """Return the rows that are not retired."""
    return list(SigningKey.objects.exclude(state=KeyState.RETIRED).order_by("pk"))


def secret_problem() -> str:
    """Say in a sentence what is wrong with SIGNING_KEYS_SECRET; "" if nothing is."""
    secret = app_settings.SIGNING_KEYS_SECRET
    if not secret:
        return "SIGNING_KEYS_SECRET must be set: it encrypts the keys in the database."
    if settings.DEBUG:
        return ""
    others = {settings.SECRET_KEY, app_settings.JWT_SIGNING_KEY, app_settings.AUDIT_KEY}
    if secret in map(key_text, others):
        return "SIGNING_KEYS_SECRET is also another key of the settings."
    return "SIGNING_KEYS_SECRET can be guessed." if is_weak(secret) else ""


def is_usable(row: SigningKey) -> bool:
    """Tell whether a key can be decrypted, signs, and verifies what it signed."""
    try:
        key = key_of(row, retired_in_trail())
        signed = jwt.encode({"check": row.kid}, key.signing, algorithm=key.algorithm.name)
        jwt.decode(signed, key.verifying, algorithms=[key.algorithm.name])
    except (NotAuthentic, jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _unusable(row: SigningKey) -> CheckMessage:
    message = (
        f"The {row.state} key {row.kid} can't be used: SIGNING_KEYS_SECRET is not the secret that "
        "encrypted it, or its row was changed."
    )
    if row.state == KeyState.SIGNING:
        hint = "Set SIGNING_KEYS_SECRET to the secret of this database."
        return Error(message, hint=hint, id="tokens.E014")
    command = f"manage.py signing_keys retire {row.kid} --emergency"
    hint = f"Remove it with {command}, if the secret is right."
    return CheckWarning(message, hint=hint, id="tokens.W014")
