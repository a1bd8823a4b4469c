"""Parse and explain a JWT (RFC 7519, RFC 7515) without verifying it.

Nothing here needs a key, a database or a request. `tokens.jwt.signing` verifies the signature, and
`tokens.validation` decides whether the token is accepted.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.translation import gettext_lazy as _

# A header or a payload: the values are whatever JSON holds.
Claims: TypeAlias = dict[str, Any]

# Far longer than any token that the portal issues, and still cheap to parse.
MAX_TOKEN_CHARS = 16 * 1024

STRICT_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

MEANINGS = {
    "iss": _("Issuer: who made the token"),
    "sub": _("Subject: the account the token is about"),
    "aud": _("Audience: the services the token is meant for"),
    "exp": _("Expires: not accepted from this instant on"),
    "nbf": _("Not before: not accepted until this instant"),
    "iat": _("Issued at"),
    "jti": _("Token id: unique to this token"),
    "token_type": _("What the token is for: access calls the API, refresh gets the next pair"),
    "user_id": _("The account the token speaks for"),
    "sid": _("Session: the login the token descends from"),
    "sid_at": _("When that session was opened"),
    "alg": _("Algorithm the signature was made with"),
    "typ": _("Media type of the token"),
    "kid": _("Key the signature was made with"),
}
# NumericDate claims: seconds since 1970 (RFC 7519, section 2).
INSTANTS = frozenset({"exp", "nbf", "iat", "auth_time", "sid_at"})


class Malformed(ValueError):
    """Raised for text that is not a JWT in JWS compact form (RFC 7515, section 3.1)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold the parts of a token, without the signature, which must not be kept.

    ``signed`` is false for a redacted token, which has no signature.
    """

    header: Claims
    payload: Claims
    signed: bool

    def __repr__(self) -> str:
        return f"Parts(header={self.header!r}, claims={sorted(self.payload)!r})"


def _decode_segment(text: str) -> Claims:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
        # Infinity and lone surrogates are no JSON that a page or a call could answer with.
        STRICT_JSON.encode(value).encode()
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Malformed(str(_("A part of the token is not base64url-encoded JSON."))) from error
    if not isinstance(value, dict):
        raise Malformed(str(_("A part of the token is not a JSON object.")))
    return value


def parse(token: str) -> Parts:
    """Split a token into header and claims, without verifying it. Raises `Malformed`."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise Malformed(str(_("This is not a token, or it is far too long to be one.")))
    pieces = token.split(".")
    if len(pieces) != 3:
        raise Malformed(str(_("A token has three parts with a dot between them.")))
    return Parts(_decode_segment(pieces[0]), _decode_segment(pieces[1]), bool(pieces[2]))


def redact(token: str) -> str:
    """Return ``header.payload.`` of a token. It may be stored: no check accepts it."""
    head, dot, _signature = token.rpartition(".")
    return head + dot


def meaning(name: str) -> str:
    """Explain a registered claim or header parameter; return "" for an unknown one."""
    return str(MEANINGS.get(name, ""))
