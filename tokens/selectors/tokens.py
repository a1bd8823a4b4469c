"""Outstanding tokens, filtered and listed."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tokens.models import OutstandingToken, Session, SessionToken
from tokens.selectors.matching import as_address, match, starting_with
from tokens.selectors.paging import Listing
from tokens.selectors.selection import Selection, selected_foreign_tokens
from tokens.selectors.status import Status, with_token_status

Tokens = QuerySet[OutstandingToken]
BY_ID = ("id",)
BY_ISSUED = ("created_at", "id")
BY_EXPIRY = ("expires_at", "id")
# One address may stand for a campus: tokens are shown of its sessions that were used last.
SESSIONS_OF_ADDRESS = 200
JTIS = 100


def outstanding_tokens(
    *,
    q: str = "",
    status: str = "",
    user: Any | None = None,
    jti: str = "",
    sid: UUID | None = None,
    ip: str | None = None,
    device: str = "",
    client: str = "",
    issued_after: datetime | None = None,
    issued_before: datetime | None = None,
    used_after: datetime | None = None,
    used_before: datetime | None = None,
    expires_after: datetime | None = None,
    expires_before: datetime | None = None,
) -> Listing[OutstandingToken]:
    """Tokens for which all that is given holds, each with ``status``, ``session_id``, its user
    and its session; the last recorded comes first.

    ``q`` is a user name, e-mail, jti or its start, sid or ip; ``user`` an account or its key;
    ``device`` and ``client`` are looked for in what the session's client said of itself, ``used``
    is when the session was used last. Ranges include their start and not their end. Nothing is
    found for an ``ip`` that is none.

    A status alone goes by the sessions: active and expired tokens by when they end, revoked
    ones by when that happened. A token that no session of ours holds (another service recorded
    it) is then left out; its user, jti or time finds it.
    """
    named = Q()
    if user is not None:
        named &= Q(user_id=getattr(user, "pk", user))
    if jti:
        named &= Q(jti=jti)
    if sid is not None:
        named &= Q(membership__session=sid)
    if ip:
        named &= _of_address(ip)
    if q.strip():
        named &= _meant(q)
    ranges = _ranges("created_at", issued_after, issued_before)
    expiry = _ranges("expires_at", expires_after, expires_before)
    rows, key = _driver(named, ranges, expiry, status)
    residue = Q()
    if status in Status:
        residue &= Q(status=status)
    if device:
        residue &= Q(membership__session__user_agent__icontains=device)
    if client:
        residue &= Q(membership__session__client=client)
    residue &= _ranges("membership__session__last_used_at", used_after, used_before)
    return Listing(
        rows=rows.filter(named & ranges & expiry),
        key=key,
        finish=_finish,
        residue=residue or None,
    )


def token_row(*, pk: Any) -> OutstandingToken | None:
    """One token with what a list shows of it."""
    return _finish(OutstandingToken.objects.filter(pk=pk)).first()


def stray_tokens(*, user: Any, most: int) -> list[OutstandingToken]:
    """The newest live tokens of ``user`` that no session of ours holds."""
    rows = selected_foreign_tokens(selection=Selection(users=(user.pk,))).order_by("-id")
    keys = list(rows.values_list("pk", flat=True)[:most])
    return list(_finish(OutstandingToken.objects.filter(pk__in=keys)).order_by("-id"))


def _finish(rows: Tokens) -> Tokens:
    return with_token_status(rows).select_related("user", "membership__session")


def _ranges(name: str, after: datetime | None, before: datetime | None) -> Q:
    wanted = Q()
    if after is not None:
        wanted &= Q(**{f"{name}__gte": after})
    if before is not None:
        wanted &= Q(**{f"{name}__lt": before})
    return wanted


def _driver(named: Q, issued: Q, expiry: Q, status: str) -> tuple[Tokens, tuple[str, ...]]:
    """The index to walk: of the conditions that have one, the narrowest."""
    tokens = OutstandingToken.objects.order_by()
    if named:
        return tokens, BY_ID
    if issued:
        return tokens, BY_ISSUED
    if expiry:
        return tokens, BY_EXPIRY
    now = timezone.now()
    of_session = partial(tokens.filter, current_of__revoked_at__isnull=True)
    match status:
        case Status.ACTIVE:
            rows = of_session(current_of__ends_at__gt=now)
            return rows.annotate(ends_at=F("current_of__ends_at")), ("ends_at", "id")
        case Status.EXPIRED:
            rows = of_session(current_of__ends_at__lte=now)
            return rows.annotate(ends_at=F("current_of__ends_at")), ("ends_at", "id")
        case Status.REVOKED:
            rows = tokens.filter(current_of__revoked_at__isnull=False)
            return rows.annotate(ended_at=F("current_of__revoked_at")), ("ended_at", "id")
        case Status.ROTATED:
            return tokens.filter(blacklistedtoken__isnull=False), BY_ID
        case _:
            return tokens, BY_ID


def _of_address(ip: str) -> Q:
    address = as_address(ip)
    if address is None:
        return Q(pk__in=[])
    latest = Session.objects.filter(ip=address).order_by("-last_used_at")
    sessions = list(latest.values_list("pk", flat=True)[:SESSIONS_OF_ADDRESS])
    return Q(membership__session__in=sessions)


def _meant(text: str) -> Q:
    found = match(text)
    meant = Q(pk__in=[])
    if found.ip:
        return _of_address(found.ip)
    if found.sid is not None:
        members = SessionToken.objects.filter(session=found.sid)
        if members.exists():
            return Q(membership__session=found.sid)
    if len(found.users) == 1:
        meant |= Q(user_id=found.users[0])
    elif found.users:
        meant |= Q(user__in=found.users)
    if found.jti_start:
        # Asked first: OR between a user and a jti would cost the walk along the user's index.
        starts = starting_with(OutstandingToken.objects.order_by(), F("jti"), found.jti_start)
        if keys := list(starts.values_list("pk", flat=True)[:JTIS]):
            meant |= Q(pk__in=keys)
    return meant
