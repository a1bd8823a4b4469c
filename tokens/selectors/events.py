"""The audit trail, read."""

from collections.abc import Collection
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from tokens.models import Event, Kind

# The fields that a page of the trail goes by, newest first.
KEY = ("at", "id")
# What a person who watches over the service wants to hear of. A login is not among it, nor is
# a revocation that somebody asked for: those have lists of their own.
SECURITY = (
    Kind.REUSE,
    Kind.LOGIN_LOCKED,
    Kind.LOGIN_UNLOCKED,
    Kind.CUTOFF,
    Kind.REVOKE_USER,
    Kind.REVOKE_MATCHING,
    Kind.PASSWORD_CHANGED,
    Kind.USER_DEACTIVATED,
    Kind.USER_DELETED,
    Kind.PERMISSION_DENIED,
    Kind.INTROSPECTION_REFUSED,
    Kind.EXPORTED,
    Kind.KEY_ADDED,
    Kind.KEY_RETIRED,
)


def events(
    *,
    kind: str | Collection[str] | None = None,
    actor: Any | None = None,
    subject: Any | None = None,
    session: UUID | str | None = None,
    jti: str = "",
    ip: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> "QuerySet[Event]":
    """Events, newest first; all that is given must hold. ``actor`` and ``subject`` are users or
    their keys, ``after`` is included and ``before`` is not. Nothing is found for an ``ip`` that
    is none. No account is joined: the line carries the names it was written with."""
    found = Event.objects.order_by("-at", "-id")
    if kind:
        found = found.filter(kind__in=[kind] if isinstance(kind, str) else kind)
    if actor is not None:
        found = found.filter(actor_id=getattr(actor, "pk", actor))
    if subject is not None:
        found = found.filter(subject_id=getattr(subject, "pk", subject))
    if session is not None:
        found = found.filter(session_id=session)
    if jti:
        found = found.filter(jti=jti)
    if ip:
        found = found.filter(ip=ip) if _is_address(ip) else found.none()
    if after is not None:
        found = found.filter(at__gte=after)
    if before is not None:
        found = found.filter(at__lt=before)
    return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
