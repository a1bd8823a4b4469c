"""Explain a stored token: header, claims with their meaning, and its validation."""

from datetime import UTC, datetime

from tokens.jwt.claims import INSTANTS, Claims, Malformed, meaning, parse
from tokens.models import OutstandingToken
from tokens.validation.validator import Validation, validate_stored


def claims_of(token: OutstandingToken) -> dict[str, object]:
    """Return the template context for a token: its decoded header and claims.

    The signature is never shown, even if another service on the same tables has stored it.
    """
    try:
        parts = parse(token.token)
    except Malformed as error:
        return {"malformed": str(error)}
    return {
        "header": [(name, value, meaning(name)) for name, value in parts.header.items()],
        "claims": [
            (name, value, meaning(name), _instant(name, value))
            for name, value in parts.payload.items()
        ],
        "validation": _validation(parts.payload),
    }


def _validation(claims: Claims) -> Validation | None:
    try:
        return validate_stored(claims=claims)
    except (KeyError, TypeError, ValueError):
        # Another service has stored something that this project did not issue.
        return None


def _instant(name: str, value: object) -> datetime | None:
    if name not in INSTANTS or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
