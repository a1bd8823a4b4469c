"""What a revocation is asked to end, as one value: the review counts it, the act ends it."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import timezone

from tokens.models import OutstandingToken, Session
from tokens.selectors.status import live


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All that is given must hold (AND); inside one field any may (OR). ``everybody`` must be
    said aloud: an empty selection selects nothing. Instants are aware datetimes. The issued,
    used and expires ranges are over a session's own instants; those with ``token`` before them
    over its current token's."""

    jtis: tuple[str, ...] = ()
    sessions: tuple[uuid.UUID, ...] = ()
    users: tuple[Any, ...] = ()
    ip: str | None = None
    client: str = ""
    user_agent: str = ""
    issued_after: datetime | None = None
    issued_before: datetime | None = None
    used_after: datetime | None = None
    used_before: datetime | None = None
    expires_after: datetime | None = None
    expires_before: datetime | None = None
    token_issued_after: datetime | None = None
    token_issued_before: datetime | None = None
    token_expires_after: datetime | None = None
    token_expires_before: datetime | None = None
    everybody: bool = False

    @property
    def empty(self) -> bool:
        return not (self.jtis or self.sessions or self.users or self.narrowed or self.everybody)

    @property
    def narrowed(self) -> bool:
        """Whether it says more than which tokens, sessions and users by name."""
        return bool(self.ip or self.client or self.user_agent or self.ranges())

    def ranges(self) -> dict[str, datetime]:
        """The limits that are set, as lookups on a session."""
        limits = {name: getattr(self, name) for name in LIMITS}
        return {LIMITS[name]: limit for name, limit in limits.items() if limit is not None}

    def as_json(self) -> dict[str, Any]:
        """What is set, as it goes into a JSON column."""
        return {name: _plain(value) for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Selection":
        values = dict(stored)
        for name, value in stored.items():
            if name in LIMITS:
                values[name] = datetime.fromisoformat(value)
        if "jtis" in stored:
            values["jtis"] = tuple(stored["jtis"])
        if "sessions" in stored:
            values["sessions"] = tuple(uuid.UUID(text) for text in stored["sessions"])
        if "users" in stored:
            as_key = get_user_model()._meta.pk.to_python
            values["users"] = tuple(as_key(text) for text in stored["users"])
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [str(getattr(item, "pk", item)) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


LIMITS = {
    f"{name}_{side}": f"{column}__{lookup}"
    for name, column in (
        ("issued", "created_at"),
        ("used", "last_used_at"),
        ("expires", "expires_at"),
        ("token_issued", "current__created_at"),
        ("token_expires", "current__expires_at"),
    )
    for side, lookup in (("after", "gte"), ("before", "lt"))
}


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
    wanted &= Q(**selection.ranges())
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
    unused = (selection.used_after, selection.used_before)
    if not wanted or any(only_sessions) or any(unused):
        wanted = Q(pk__in=[])
    for prefix in ("", "token_"):
        for name, column in (("issued", "created_at"), ("expires", "expires_at")):
            if after := getattr(selection, f"{prefix}{name}_after"):
                wanted &= Q(**{f"{column}__gte": after})
            if before := getattr(selection, f"{prefix}{name}_before"):
                wanted &= Q(**{f"{column}__lt": before})
    strays: QuerySet[OutstandingToken] = OutstandingToken.objects.filter(
        wanted,
        membership__isnull=True,
        blacklistedtoken__isnull=True,
        expires_at__gt=timezone.now(),
    )
    return strays
