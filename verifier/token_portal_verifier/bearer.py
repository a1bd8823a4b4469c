"""The parts that the adapters share."""

import json

from token_portal_verifier.tokens import Invalid, Stale

RETRY_AFTER_SECONDS = 5
# The challenge of a 401 (RFC 6750, section 3): to a call without a token, and to a bad one.
NO_TOKEN, BAD_TOKEN = "Bearer", 'Bearer error="invalid_token"'


def bearer_token(header: str) -> str | None:
    """Return the token in an ``Authorization`` header, or None (RFC 6750, section 2.1)."""
    scheme, _space, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def refusal(error: Invalid | None) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers and body for a refused token, or for a call without one."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if isinstance(error, Stale):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return 503, headers, _json("Tokens can't be verified just now.")
    if error is None:
        headers["WWW-Authenticate"] = NO_TOKEN
        return 401, headers, _json("Authentication credentials were not provided.")
    headers["WWW-Authenticate"] = BAD_TOKEN
    return 401, headers, _json("The token is not valid.")


def _json(detail: str) -> bytes:
    return json.dumps({"detail": detail}).encode()
