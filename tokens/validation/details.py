"""Explain a stored token: its header and claims with their meaning, and its validation."""

from dataclasses import dataclass, field
from datetime import datetime

from tokens.jwt.claims import INSTANTS, Claims, Malformed, meaning, parse
from tokens.jwt.signing import datetime_claim
from tokens.validation.validator import Validation, validate_stored


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """Hold one member of a header or of the claims. ``at`` is its instant, if it is one."""

    name: str
    value: object
    meaning: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenDetails:
    """Hold what pages show of a stored token, without its signature.

    ``malformed`` says why the text is no token. ``validation`` is None if the claims lack something
    that the app needs: another service on the same tables may have stored them.
    """

    header: list[ClaimRow] = field(default_factory=list)
    claims: list[ClaimRow] = field(default_factory=list)
    validation: Validation | None = None
    malformed: str = ""


def describe_token(text: str) -> TokenDetails:
    """Parse and validate the stored text of a token."""
    try:
        parts = parse(text)
    except Malformed as error:
        return TokenDetails(malformed=str(error))
    return TokenDetails(
        header=claim_rows(parts.header),
        claims=claim_rows(parts.payload),
        validation=_validation(parts.payload),
    )


def claim_rows(members: Claims) -> list[ClaimRow]:
    """Return the members of a header or of the claims, each with its meaning if it is known."""
    return [
        ClaimRow(
            name, value, meaning(name), datetime_claim(members, name) if name in INSTANTS else None
        )
        for name, value in members.items()
    ]


def _validation(claims: Claims) -> Validation | None:
    try:
        return validate_stored(claims=claims)
    except (KeyError, TypeError, ValueError):
        return None
