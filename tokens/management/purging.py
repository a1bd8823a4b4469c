"""Taking rows away that can no longer mean anything, in an order that never revives a token.

A token's row goes only when the token itself has expired, and with it, in the same transaction,
what says that it is used up or revoked. A session's row goes only after its absolute end, when
none of its tokens is left. What is gone is unknown, and what is unknown is refused.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, QuerySet

from tokens import audit
from tokens.models import (
    BlacklistedToken,
    Kind,
    LoginThrottle,
    OutstandingToken,
    RevokedSession,
    Session,
    SessionToken,
)
from tokens.revocation.ending import hold_sessions

WINDOW = 5_000


def id_range() -> tuple[int, int]:
    """The lowest and the highest id of an outstanding token; (0, -1) where there is none."""
    ends = OutstandingToken.objects.aggregate(low=Min("pk"), high=Max("pk"))
    return (ends["low"], ends["high"]) if ends["low"] is not None else (0, -1)


def purge_tokens(*, before: datetime, reason: str) -> Iterator[tuple[int, int]]:
    """Tokens that expired before ``before``, in windows of ids: yields how many ids were
    looked at and how many rows went. Each window commits with its event."""
    low, high = id_range()
    for start in range(low, high + 1, WINDOW):
        window = OutstandingToken.objects.filter(
            pk__gte=start, pk__lt=start + WINDOW, expires_at__lt=before
        )
        gone = _purge_window(list(window.values_list("pk", flat=True)), reason)
        yield min(WINDOW, high + 1 - start), gone


def _purge_window(keys: list[int], reason: str) -> int:
    if not keys:
        return 0
    with transaction.atomic():
        memberships = SessionToken.objects.filter(token__in=keys)
        owners = list(memberships.values_list("session_id", flat=True).distinct())
        hold_sessions(sessions=Session.objects.filter(pk__in=owners))
        for name in ("current", "previous"):
            Session.objects.filter(pk__in=owners, **{f"{name}__in": keys}).update(**{name: None})
        _delete(BlacklistedToken.objects.filter(token__in=keys))
        _delete(memberships)
        gone = _delete(OutstandingToken.objects.filter(pk__in=keys))
        _record("tokens", gone, reason)
    return gone


def purge_sessions(*, before: datetime, reason: str) -> Iterator[int]:
    """Sessions whose absolute end came before ``before`` and that have no token left."""
    ended = Session.objects.filter(expires_at__lt=before, memberships=None).order_by("expires_at")
    while keys := list(ended.values_list("pk", flat=True)[:WINDOW]):
        with transaction.atomic():
            hold_sessions(sessions=Session.objects.filter(pk__in=keys))
            gone = _delete(Session.objects.filter(pk__in=keys))
            _record("sessions", gone, reason)
        yield gone


def purge_revoked() -> None:
    """What notes that a session was revoked that is gone. In windows of ids, as the tokens."""
    notes = RevokedSession.objects.aggregate(low=Min("pk"), high=Max("pk"))
    sessions = Session.objects.filter(pk=OuterRef("session"))
    for start in range(notes["low"] or 0, (notes["high"] or -1) + 1, WINDOW):
        window = RevokedSession.objects.filter(pk__gte=start, pk__lt=start + WINDOW)
        _delete(window.filter(~Exists(sessions)))


def purge_counters(*, now: datetime, reason: str) -> int:
    """Counters of login attempts whose window has ended, and browser sessions that have."""
    with transaction.atomic():
        gone = _delete(LoginThrottle.objects.filter(resets_at__lt=now))
        gone += _delete(BrowserSession.objects.filter(expire_date__lt=now))
        _record("counters and browser sessions", gone, reason)
    return gone


def _record(what: str, gone: int, reason: str) -> None:
    if gone:
        audit.record(kind=Kind.PURGED, reason=reason, count=gone, data={"what": what})


def _delete(rows: "QuerySet[Any]") -> int:
    """Just these rows: what hangs from them has been seen to, and loading each one to look for
    more, as Django would, costs more than all the rest."""
    return int(rows._raw_delete(rows.db))
