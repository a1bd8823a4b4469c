"""A revocation as a Security Event Token (RFC 8417): ``session-revoked`` of the OpenID
Continuous Access Evaluation Profile 1.0, as a Shared Signals transmitter sends it."""

import time
from typing import Any

import jwt
from django.conf import settings

from tokens.keys import is_symmetric, key_ring
from tokens.models import Event, Kind

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
# Who set it off, in CAEP's words (section 2).
INITIATORS: dict[str, str] = {
    Kind.LOGOUT: "user",
    Kind.REUSE: "policy",
    Kind.REVOKE_TOKEN: "admin",
    Kind.REVOKE_SESSION: "admin",
    Kind.REVOKE_USER: "admin",
    Kind.CUTOFF: "admin",
    Kind.PASSWORD_CHANGED: "policy",
    Kind.USER_DEACTIVATED: "policy",
    Kind.USER_DELETED: "policy",
}
OF_ONE_SESSION = {Kind.LOGOUT, Kind.REUSE, Kind.REVOKE_TOKEN, Kind.REVOKE_SESSION}


def claims_of(event: Event) -> dict[str, Any] | None:
    """The claims of the token, or None where the form does not fit: nothing was revoked, or
    neither one session nor one user says what."""
    if event.kind not in INITIATORS or (event.session_id is None and event.subject_id is None):
        return None
    # Without the session it would say that all of the user's were revoked.
    if event.kind in OF_ONE_SESSION and event.session_id is None:
        return None
    subject: dict[str, Any] = {"format": "complex"}
    if event.session_id is not None:
        subject["session"] = {"format": "opaque", "id": str(event.session_id)}
    if event.subject_id is not None:
        issuer = settings.WEBHOOK_ISSUER
        subject["user"] = {"format": "iss_sub", "iss": issuer, "sub": str(event.subject_id)}
    told: dict[str, Any] = {
        "event_timestamp": int(event.at.timestamp()),
        "initiating_entity": INITIATORS[event.kind],
    }
    if event.reason:
        told["reason_admin"] = {"en": event.reason}
    return {
        "iss": settings.WEBHOOK_ISSUER,
        "aud": settings.WEBHOOK_URL,
        "iat": int(time.time()),
        # The same at each attempt: by it a receiver knows that it has had this one.
        "jti": f"event-{event.pk}",
        "sub_id": subject,
        "events": {SESSION_REVOKED: told},
    }


def signed(claims: dict[str, Any]) -> str:
    """With the portal's key where that has a public half (`/.well-known/jwks.json`), otherwise
    with the secret that the receiver shares. It has no ``exp`` and another type in its header
    (RFC 8417, section 4), so nobody can take it for an access token."""
    ring = key_ring()
    if is_symmetric(ring.algorithm):
        return jwt.encode(
            claims, settings.WEBHOOK_SECRET, algorithm="HS256", headers={"typ": "secevent+jwt"}
        )
    return jwt.encode(
        claims,
        ring.current.signing,
        algorithm=ring.algorithm,
        headers={"typ": "secevent+jwt", "kid": ring.current.kid},
    )
