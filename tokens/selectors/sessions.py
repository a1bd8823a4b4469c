"""Sessions, filtered and listed."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tokens.models import Session
from tokens.selectors.about import About
from tokens.selectors.matching import as_address
from tokens.selectors.paging import FAR_LOOK, LOOK, SHORT_LOOK, Listing, Walk, unchanged
from tokens.selectors.status import Status, live, seems_revoked, with_session_status
from tokens.selectors.ways import NOTHING, Way, between, of_user, read

Sessions = QuerySet[Session]
BY_USE = ("last_used_at", "id")
BY_END = ("ends_at", "id")
HELD = 1000
# The turn in which they were revoked.
BY_TURN = ("turn",)


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
    ways, address = read(q, sid="pk", key="membership__session")
    if user is not None:
        ways = of_user(ways, getattr(user, "pk", user))
    said: Way = {"client": client} if client else {}
    if ip or address:
        said["ip"] = as_address(ip) if ip else address
        if said["ip"] is None or address not in (None, said["ip"]):
            ways = [NOTHING]
    ranges = {
        "last_used_at": (used_after, used_before),
        "created_at": (issued_after, issued_before),
        "expires_at": (expires_after, expires_before),
    }
    timed = {name: between(name, *limits) for name, limits in ranges.items() if any(limits)}
    rows: Sessions = Session.objects.order_by()
    key: tuple[str, ...] = BY_USE
    loose = Q(user_agent__icontains=device) if device else Q()
    if said or ways != [{}]:
        walks = [Walk(rows.filter(**said).filter(**way)) for way in ways]
    elif timed:
        name = next(iter(timed))
        walks, key = [Walk(rows.filter(timed.pop(name)))], (name, "id")
    else:
        walk, key = _by_status(rows, status)
        walks = [walk]
    for limits in timed.values():
        loose &= limits

    def seeming(rows: Sessions) -> Sessions:
        return _seeming(rows.filter(loose), status)

    bounded = loose or (status in Status and key != BY_TURN)
    # Whatever else is asked of a row costs more than to see that it was revoked.
    far = key == BY_END and not loose
    return Listing(
        rows=tuple(walks),
        key=key,
        finish=_finish,
        coarse=seeming if bounded else unchanged,
        exact=Q(status=status) if status in Status else None,
        look=SHORT_LOOK if status == Status.REVOKED else FAR_LOOK if far else LOOK,
    )


def session_row(*, pk: Any) -> Session | None:
    """One session with what a list shows of it."""
    return _finish(Session.objects.filter(pk=pk)).first()


def live_sessions_of(*, user: Any) -> About:
    """How many sessions of ``user`` have something to end, counted as far as `HELD`."""
    held = live(Session.objects.filter(user=user)).order_by()
    number = held.values("pk")[: HELD + 1].count()
    return About(min(number, HELD), exact=number <= HELD, more=number > HELD)


def _finish(rows: Sessions) -> Sessions:
    return with_session_status(rows).select_related("user", "current")


def _by_status(rows: Sessions, status: str) -> tuple[Walk[Session], tuple[str, ...]]:
    now = timezone.now()
    match status:
        case Status.ACTIVE:
            return Walk(rows.filter(ends_at__gt=now)), BY_END
        case Status.EXPIRED:
            return Walk(rows.filter(ends_at__lte=now)), BY_END
        case Status.REVOKED:
            turns = rows.filter(revocations__pk__gt=0).annotate(turn=F("revocations__pk"))
            return Walk(turns), BY_TURN
        case _:
            return Walk(rows), BY_USE


def _seeming(rows: Sessions, status: str) -> Sessions:
    """Less what cannot have ``status``; `with_session_status` has the last word."""
    now = timezone.now()
    match status:
        case Status.ACTIVE:
            return rows.filter(revoked_at=None, ends_at__gt=now)
        case Status.EXPIRED:
            return rows.filter(revoked_at=None, ends_at__lte=now)
        case Status.REVOKED:
            return rows.filter(seems_revoked(path="current", session=""))
        case _:
            return rows
