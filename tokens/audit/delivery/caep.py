"""Build a Security Event Token (RFC 8417) for a revocation.

The event type is ``session-revoked`` of the OpenID Continuous Access Evaluation Profile 1.0, as
a transmitter of the Shared Signals Framework sends it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import jwt

from tokens.audit.targets import MEMBER
from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.keys import key_ring
from tokens.listing.search import as_uuid
from tokens.models import Event, EventTarget
from tokens.models.readable import is_readable

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
# Targets in one query.
PAGE = 1000


class SecurityEvent(TypedDict):
    """The claims of a security event token."""

    iss: str
    aud: str
    iat: int
    jti: str
    sub_id: dict[str, object]
    events: dict[str, dict[str, object]]


def build_all_claims(event: Event, *, after: int = 0) -> Iterator[tuple[int, SecurityEvent]]:
    """Yield the claims of each token that reports the event, with its number among the targets.

    A revocation of one session, or of all of a user, is one token. An act upon many is one token
    for each session that it ended: there is no subject for a filter or for everybody, and a token
    for a user would also end the sessions that the act left out. ``after`` skips the targets that
    the receiver has.
    """
    if not _names_sessions(event):
        if after == 0 and (claims := build_claims(event)) is not None:
            yield 0, claims
        return
    at = _time_of_cutoff(event) or event.at
    for number, session, user in _sessions(event, after):
        claims = _claims(event, session=session, user=user, at=at)
        yield number, {**claims, "jti": f"{claims['jti']}-{session}"}


def _names_sessions(event: Event) -> bool:
    """Return whether the event is reported by session.

    A cutoff of a user that an earlier release recorded lists no sessions.
    """
    if "kept" in event.data:
        return True
    caep = event.traits.caep
    listed = MEMBER in event.data or event.subject_id is None or event.count == 0
    return caep is not None and caep.by_session and listed


def _sessions(event: Event, after: int) -> Iterator[tuple[int, UUID, object]]:
    """Yield the number, the session and the user's key of each target that is a session."""
    if MEMBER not in event.data:
        # An earlier release recorded "log out everywhere else" so.
        ended = event.data.get("ended")
        for number, text in enumerate(ended if isinstance(ended, list) else (), 1):
            if number > after and (session := as_uuid(str(text))) is not None:
                yield number, session, event.subject_id
        return
    rows = EventTarget.objects.filter(event_id=event.pk).order_by("number")
    while page := list(
        rows.filter(number__gt=after).values_list("number", "session_id", "user_id")[:PAGE]
    ):
        for number, session, user in page:
            if session is not None:
                yield number, session, user
        after = page[-1][0]


def _time_of_cutoff(event: Event) -> datetime | None:
    """Return when the sessions of a batch ended: a cutoff ended them before they were listed."""
    cutoff = event.data.get("cutoff")
    if not isinstance(cutoff, int):
        return None
    return Event.objects.filter(pk=cutoff).values_list("at", flat=True).first()


def build_claims(event: Event) -> SecurityEvent | None:
    """Return the claims of the token, or None for an event that has no CAEP form.

    An event has none if it revoked nothing, or if it names neither one session nor one user.
    """
    caep = event.traits.caep
    if caep is None or (event.session_id is None and event.subject_id is None):
        return None
    if caep.one_session and event.session_id is None:
        return None
    return _claims(event, session=event.session_id, user=event.subject_id, at=event.at)


def _claims(event: Event, *, session: UUID | None, user: object, at: datetime) -> SecurityEvent:
    subject: dict[str, object] = {"format": "complex"}
    if session is not None:
        subject["session"] = {"format": "opaque", "id": str(session)}
    if user is not None:
        issuer = app_settings.WEBHOOK_ISSUER
        subject["user"] = {"format": "iss_sub", "iss": issuer, "sub": str(user)}
    caep = event.traits.caep
    by_subject = event.subject_id is not None and event.actor_id == event.subject_id
    revoked: dict[str, object] = {
        **({"event_timestamp": int(at.timestamp())} if is_readable(at) else {}),
        "initiating_entity": "user" if by_subject or caep is None else caep.initiator,
    }
    if event.reason:
        revoked["reason_admin"] = {"en": event.reason}
    return {
        "iss": app_settings.WEBHOOK_ISSUER,
        "aud": app_settings.WEBHOOK_URL,
        "iat": int(clock.now().timestamp()),
        # Each attempt has the same jti, so a receiver recognises a repeated token.
        "jti": f"event-{event.pk}",
        "sub_id": subject,
        "events": {SESSION_REVOKED: revoked},
    }


def sign_security_event(claims: SecurityEvent) -> str:
    """Sign the claims and return the token.

    The portal's key signs if it is asymmetric (`/.well-known/jwks.json`), otherwise the secret
    that the receiver shares. The token has no ``exp`` and its own ``typ`` (RFC 8417, section 4),
    so it can't be used as an access token.
    """
    key = key_ring().current
    headers = {"typ": "secevent+jwt"}
    payload = dict(claims)
    if key.algorithm.symmetric:
        secret = app_settings.WEBHOOK_SECRET
        return jwt.encode(payload, secret, algorithm="HS256", headers=headers)
    return jwt.encode(
        payload,
        key.signing,
        algorithm=key.algorithm.name,
        headers={**headers, "kid": key.kid},
    )
