"""What a revocation is asked to end, as one value: the review counts it, the act ends it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from tokens.models import OutstandingToken, Session
from tokens.selectors.status import live


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All that is given must hold (AND); inside one field any may (OR). ``everybody`` must be
    said aloud: an empty selection selects nothing. Instants are aware datetimes; the issued
    range is over when a session was opened."""

    jtis: tuple[str, ...] = ()
    sessions: tuple[uuid.UUID, ...] = ()
    users: tuple[Any, ...] = ()
    ip: str | None = None
    client: str = ""
    user_agent: str = ""
    issued_after: datetime | None = None
    issued_before: datetime | None = None
    everybody: bool = False

    @property
    def empty(self) -> bool:
        narrowed = (self.jtis, self.sessions, self.users, self.ip, self.client)
        ranges = (self.user_agent, self.issued_after, self.issued_before)
        return not (any(narrowed) or any(ranges) or self.everybody)


def selected_sessions(*, selection: Selection) -> "QuerySet[Session]":
    """The live sessions of ``selection``."""
    if selection.empty:
        return Session.objects.none()
    wanted = Q()
    if selection.jtis:
        wanted &= Q(memberships__token__jti__in=selection.jtis)
    if selection.sessions:
        wanted &= Q(pk__in=selection.sessions)
    if selection.users:
        wanted &= Q(user__in=selection.users)
    if selection.ip:
        wanted &= Q(ip=selection.ip)
    if selection.client:
        wanted &= Q(client=selection.client)
    if selection.user_agent:
        wanted &= Q(user_agent__icontains=selection.user_agent)
    if selection.issued_after:
        wanted &= Q(created_at__gte=selection.issued_after)
    if selection.issued_before:
        wanted &= Q(created_at__lt=selection.issued_before)
    found = live(Session.objects.filter(wanted))
    return found.distinct() if selection.jtis else found


def selected_foreign_tokens(*, selection: Selection) -> "QuerySet[OutstandingToken]":
    """The unexpired outstanding tokens of ``selection`` that belong to no session of ours: another
    service on the same tables issued them. Only what names tokens or users can reach them."""
    wanted = Q()
    if selection.jtis:
        wanted &= Q(jti__in=selection.jtis)
    if selection.users:
        wanted &= Q(user__in=selection.users)
    only_sessions = (selection.sessions, selection.ip, selection.client, selection.user_agent)
    if not wanted or any(only_sessions):
        wanted = Q(pk__in=[])
    if selection.issued_after:
        wanted &= Q(created_at__gte=selection.issued_after)
    if selection.issued_before:
        wanted &= Q(created_at__lt=selection.issued_before)
    strays: QuerySet[OutstandingToken] = OutstandingToken.objects.filter(
        wanted,
        membership__isnull=True,
        blacklistedtoken__isnull=True,
        expires_at__gt=timezone.now(),
    )
    return strays
