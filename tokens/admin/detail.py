"""A stored token explained: header, claims with their meaning, and the verdict on it."""

from datetime import UTC, datetime
from typing import Any

from tokens.claims import INSTANTS, Malformed, meaning, parse
from tokens.verdict import explain_stored


def claims_of(token: Any) -> dict[str, Any]:
    """What the object page shows. The signature is not kept, and is never shown where another
    service on the same tables kept one: only the two decoded parts are."""
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
        "verdict": _verdict(parts.payload),
    }


def _verdict(claims: dict[str, Any]) -> Any | None:
    try:
        return explain_stored(claims=claims)
    except (KeyError, TypeError, ValueError):
        # Another service recorded something that is no token of ours.
        return None


def _instant(name: str, value: Any) -> datetime | None:
    if name not in INSTANTS or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
