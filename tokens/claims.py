"""Take a JWT apart, redact it, explain it (RFC 7519, RFC 7515). Pure: no database, no HTTP, no
keys. Nothing here believes a token; `tokens.verdict` does that."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

# Far above any token that this portal issues, far below what costs anything to parse.
MAX_TOKEN_CHARS = 16 * 1024

MEANINGS = {
    "iss": _("Issuer: who made the token"),
    "sub": _("Subject: whom the token is about"),
    "aud": _("Audience: whom the token is meant for"),
    "exp": _("Expires: not accepted from this instant on"),
    "nbf": _("Not before: not accepted until this instant"),
    "iat": _("Issued at"),
    "jti": _("Token id: unique to this token"),
    "token_type": _("What the token is for: access calls the API, refresh gets the next pair"),
    "user_id": _("The account the token speaks for"),
    "sid": _("Session: the login the token descends from"),
    "alg": _("Algorithm the signature was made with"),
    "typ": _("Media type of the token"),
    "kid": _("Key the signature was made with"),
}
TOKEN = re.compile(r"(eyJ[\w-]+\.[\w-]+\.)[\w-]+")
INSTANTS = frozenset({"exp", "nbf", "iat", "auth_time"})


class Malformed(ValueError):
    """The text is not a JWT in JWS compact form (RFC 7515, section 3.1)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A token taken apart; the signature is left out on purpose."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signed: bool

    def __repr__(self) -> str:
        return f"Parts(header={self.header!r}, claims={sorted(self.payload)!r})"


def _segment(text: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Malformed(str(_("A part of the token is not base64url-encoded JSON."))) from error
    if not isinstance(value, dict):
        raise Malformed(str(_("A part of the token is not a JSON object.")))
    return value


def parse(token: str) -> Parts:
    """Header and claims of ``token``; raises `Malformed`. A redacted token (nothing after the
    second dot) parses too, with ``signed`` false."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise Malformed(str(_("This is not a token, or it is far too long to be one.")))
    pieces = token.split(".")
    if len(pieces) != 3:
        raise Malformed(str(_("A token has three parts with a dot between them.")))
    return Parts(_segment(pieces[0]), _segment(pieces[1]), bool(pieces[2]))


def redact(token: str) -> str:
    """``header.payload.`` of ``token``: what may be kept, and opens nothing."""
    head, dot, _signature = token.rpartition(".")
    return head + dot


def redact_text(text: str) -> str:
    """``text`` with every token in it redacted: people put them where names, reasons and
    addresses belong."""
    return TOKEN.sub(r"\1", text) if "eyJ" in text else text


def meaning(name: str) -> str:
    """What a registered claim or header parameter means; empty for an unknown one."""
    return str(MEANINGS.get(name, ""))
