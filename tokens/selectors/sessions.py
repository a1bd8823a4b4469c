"""Sessions, filtered and listed."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tokens.models import OutstandingToken, Session
from tokens.selectors.matching import as_address, match, starting_with
from tokens.selectors.paging import Listing
from tokens.selectors.status import Status, with_session_status
from tokens.selectors.tokens import JTIS

Sessions = QuerySet[Session]
BY_USE = ("last_used_at", "id")


def sessions(
    *,
    q: str = "",
    status: str = "",
    user: Any | None = None,
    ip: str | None = None,
    device: str = "",
    client: str = "",
    issued_after: datetime | None = None,
    issued_before: datetime | None = None,
    used_after: datetime | None = None,
    used_before: datetime | None = None,
    expires_after: datetime | None = None,
    expires_before: datetime | None = None,
) -> Listing[Session]:
    """Sessions for which all that is given holds, each with ``status``, its user and its
    current token; the last used comes first.

    The words are those of `tokens.selectors.tokens.outstanding_tokens`; ``issued`` is when the
    session was opened, ``used`` its last refresh, ``expires`` its absolute end. A status alone
    goes by when sessions end, or were revoked; a range by its own instant.
    """
    named = Q()
    if user is not None:
        named &= Q(user_id=getattr(user, "pk", user))
    if ip:
        address = as_address(ip)
        named &= Q(ip=address) if address else Q(pk__in=[])
    if client:
        named &= Q(client=client)
    if q.strip():
        named &= _meant(q)
    ranges = {
        "last_used_at": (used_after, used_before),
        "created_at": (issued_after, issued_before),
        "expires_at": (expires_after, expires_before),
    }
    timed = Q()
    for name, (after, before) in ranges.items():
        if after is not None:
            timed &= Q(**{f"{name}__gte": after})
        if before is not None:
            timed &= Q(**{f"{name}__lt": before})
    walked = [name for name, limits in ranges.items() if any(limits)]
    rows: Sessions = Session.objects.order_by()
    key: tuple[str, ...] = BY_USE
    if walked and not named:
        key = (walked[0], "id")
    elif not named:
        rows, key = _by_status(rows, status)
    residue = Q()
    if status in Status:
        residue &= Q(status=status)
    if device:
        residue &= Q(user_agent__icontains=device)
    return Listing(
        rows=rows.filter(named & timed), key=key, finish=_finish, residue=residue or None
    )


def session_row(*, pk: Any) -> Session | None:
    """One session with what a list shows of it."""
    return _finish(Session.objects.filter(pk=pk)).first()


def _finish(rows: Sessions) -> Sessions:
    return with_session_status(rows).select_related("user", "current")


def _by_status(rows: Sessions, status: str) -> tuple[Sessions, tuple[str, ...]]:
    now = timezone.now()
    match status:
        case Status.ACTIVE:
            return rows.filter(revoked_at=None, ends_at__gt=now), ("ends_at", "id")
        case Status.EXPIRED:
            return rows.filter(revoked_at=None, ends_at__lte=now), ("ends_at", "id")
        case Status.REVOKED:
            return rows.filter(revoked_at__isnull=False), ("revoked_at", "id")
        case _:
            return rows, BY_USE


def _meant(text: str) -> Q:
    found = match(text)
    if found.ip:
        return Q(ip=found.ip)
    if found.sid is not None and Session.objects.filter(pk=found.sid).exists():
        return Q(pk=found.sid)
    meant = Q(pk__in=[])
    if len(found.users) == 1:
        meant |= Q(user_id=found.users[0])
    elif found.users:
        meant |= Q(user__in=found.users)
    if found.jti_start:
        starts = starting_with(OutstandingToken.objects.order_by(), F("jti"), found.jti_start)
        of_jti = starts.exclude(membership=None).values_list("membership__session_id", flat=True)
        if keys := set(of_jti[:JTIS]):
            meant |= Q(pk__in=keys)
    return meant
