"""Delete expired rows in an order that never makes a token valid again.

A token's row is deleted only after the token has expired, and the rows that say that it was used up
or revoked go in the same transaction. A session's row is deleted only after its absolute end, when
it has no tokens left. Validation refuses tokens and sessions that have no row.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import cached_db, db
from django.contrib.sessions.models import Session as CookieSession
from django.db import transaction
from django.db.models import Exists, Max, Min, Model, OuterRef, Q, QuerySet

from tokens import audit
from tokens.jwt.signing import refresh_lifetime
from tokens.listing import refusals
from tokens.models import (
    BlacklistedToken,
    BrowserCutoff,
    BrowserSession,
    EventWindow,
    FeedEntry,
    Kind,
    LoginThrottle,
    Notice,
    OutstandingToken,
    Refusal,
    RevokedSession,
    Session,
    SessionToken,
)
from tokens.models.lengths import HIGHEST_COUNT
from tokens.notices.send import KEPT
from tokens.revocation.sessions import lock_sessions
from tokens.services.feed import kept_for
from tokens.validation.browser import valid_from

# Rows, or a range of ids, in one transaction.
BATCH_SIZE = 5_000
A_DAY = timedelta(days=1)


def token_id_range() -> tuple[int, int]:
    """Return the lowest and the highest id of the outstanding tokens, (0, -1) if there are none."""
    ends = OutstandingToken.objects.aggregate(low=Min("pk"), high=Max("pk"))
    return (ends["low"], ends["high"]) if ends["low"] is not None else (0, -1)


def purge_tokens(*, before: datetime, reason: str) -> Iterator[tuple[int, int]]:
    """Delete tokens that expired before ``before``, and yield after each batch of ids.

    Each pair is the number of ids in the batch and the number of tokens that were deleted. A batch
    commits together with its event.
    """
    low, high = token_id_range()
    for start in range(low, high + 1, BATCH_SIZE):
        expired = OutstandingToken.objects.filter(
            pk__gte=start, pk__lt=start + BATCH_SIZE, expires_at__lt=before
        )
        deleted = _purge_batch(list(expired.values_list("pk", flat=True)), reason)
        yield min(BATCH_SIZE, high + 1 - start), deleted


def _purge_batch(keys: list[int], reason: str) -> int:
    if not keys:
        return 0
    with transaction.atomic():
        memberships = SessionToken.objects.filter(token__in=keys)
        owners = list(memberships.values_list("session_id", flat=True).distinct())
        lock_sessions(sessions=Session.objects.filter(pk__in=owners))
        for name in ("current", "previous"):
            Session.objects.filter(pk__in=owners, **{f"{name}__in": keys}).update(**{name: None})
        _delete(BlacklistedToken.objects.filter(token__in=keys))
        _delete(memberships)
        deleted = _delete(OutstandingToken.objects.filter(pk__in=keys))
        _record("tokens", deleted, reason)
    return deleted


def purge_sessions(*, before: datetime, reason: str) -> Iterator[int]:
    """Delete sessions that ended before ``before`` and have no tokens left.

    Yield the number of deleted sessions after each batch.
    """
    ended = Session.objects.filter(expires_at__lt=before, memberships=None).order_by("expires_at")
    while keys := list(ended.values_list("pk", flat=True)[:BATCH_SIZE]):
        with transaction.atomic():
            lock_sessions(sessions=Session.objects.filter(pk__in=keys))
            deleted = _delete(Session.objects.filter(pk__in=keys))
            _record("sessions", deleted, reason)
        yield deleted


def count_sessions(*, before: datetime) -> int:
    """Count what `purge_sessions` would delete after `purge_tokens`."""
    staying = SessionToken.objects.filter(session=OuterRef("pk"), token__expires_at__gte=before)
    return Session.objects.filter(~Exists(staying), expires_at__lt=before).count()


def purge_revoked_sessions() -> None:
    """Delete the `RevokedSession` rows whose session was purged, in batches of ids."""
    ids = RevokedSession.objects.aggregate(low=Min("pk"), high=Max("pk"))
    sessions = Session.objects.filter(pk=OuterRef("session"))
    for start in range(ids["low"] or 0, (ids["high"] or -1) + 1, BATCH_SIZE):
        batch = RevokedSession.objects.filter(pk__gte=start, pk__lt=start + BATCH_SIZE)
        _delete(batch.filter(~Exists(sessions)))


def purge_counters(*, now: datetime, reason: str) -> int:
    """Delete login counters whose window is over and browser sessions that have expired."""
    with transaction.atomic():
        deleted = sum(_delete(rows) for rows in _old_counters(now))
        _record("counters and browser sessions", deleted, reason)
    return deleted


def count_counters(*, now: datetime) -> int:
    """Count what `purge_counters` would delete."""
    return sum(rows.count() for rows in _old_counters(now))


def _old_counters(now: datetime) -> "tuple[QuerySet[Model], ...]":
    # While a copy of its cookie may be sent, the row says that a browser session is over.
    cookie_age = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return (
        LoginThrottle.objects.filter(resets_at__lt=now),
        CookieSession.objects.filter(expire_date__lt=now),
        BrowserSession.objects.filter(ends_at__lt=now - A_DAY - cookie_age),
        Refusal.objects.filter(at__lt=now - refusals.KEPT),
    )


def purge_feed(*, now: datetime) -> None:
    """Delete the entries of the revocation feed that no service asks for any more."""
    _delete(FeedEntry.objects.filter(at__lt=now - max(4 * kept_for(), A_DAY)))


def purge_browser_cutoffs(*, now: datetime) -> None:
    """Delete the cutoffs for browser sessions that no browser session or legacy token needs.

    A browser session that was ended may be renewed for ever by pages that ask for no user. So
    the ended ones are deleted first, which needs a session engine with rows in the database.
    With other engines, only a user's latest cutoff stays.
    """
    later = BrowserCutoff.objects.filter(
        user=OuterRef("user"), not_before__gt=OuterRef("not_before")
    )
    _delete(BrowserCutoff.objects.filter(Exists(later)))
    store = import_module(settings.SESSION_ENGINE).SessionStore
    # A legacy token is compared with the cutoffs too.
    old = BrowserCutoff.objects.filter(not_before__lt=now - max(refresh_lifetime(), A_DAY))
    newest = old.aggregate(newest=Max("pk"))["newest"]
    if newest is not None and issubclass(store, db.SessionStore):
        old = old.filter(pk__lte=newest)
        _delete_ended_browsers(store, cutoffs=list(old))
        _delete(old)


def _delete_ended_browsers(store: Any, *, cutoffs: list[BrowserCutoff]) -> None:
    """Delete the rows of the browser sessions that ``cutoffs`` have ended."""
    of_users = {str(one.user_id): one.not_before for one in cutoffs if one.user_id is not None}
    of_all = [(one.not_before, set(map(str, one.spared))) for one in cutoffs if one.user_id is None]
    rows = store.get_model_class().objects.order_by("session_key")
    last = ""
    while page := list(rows.filter(session_key__gt=last)[:BATCH_SIZE]):
        last = page[-1].session_key
        ended = []
        for row in page:
            content = store().decode(row.session_data)
            if (user := content.get(SESSION_KEY)) is None:
                continue
            opened = valid_from(content)
            own = user in of_users and opened < of_users[user]
            if own or any(opened < at and user not in spared for at, spared in of_all):
                ended.append(row.session_key)
        if issubclass(store, cached_db.SessionStore):
            for key in ended:
                store(key).delete()
        else:
            _delete(rows.filter(session_key__in=ended))


def purge_notices(*, now: datetime) -> None:
    """Delete the mails whose links no longer work."""
    _delete(Notice.objects.filter(created_at__lt=now - KEPT))


def purge_windows(*, now: datetime, reason: str) -> None:
    """Delete the windows of repeated events that were opened over a day ago.

    Their events that were left out, and that no later event has counted, are counted in one event.
    """
    with transaction.atomic():
        # No call of the portal has opened a window in the future.
        over = Q(opened_at__lt=now - A_DAY) | Q(opened_at__gt=now + A_DAY)
        old = EventWindow.objects.select_for_update().filter(over)
        counts = dict(old.values_list("key", "left_out"))
        if counts:
            _delete(EventWindow.objects.filter(key__in=counts))
            number = min(sum(counts.values()), HIGHEST_COUNT)
            _record("events that were left out", number, reason)


def _record(what: str, count: int, reason: str) -> None:
    if count:
        audit.record(kind=Kind.PURGED, reason=reason, count=count, data={"what": what})


def _delete(rows: "QuerySet[Model]") -> int:
    """Delete exactly these rows and return their number.

    `QuerySet.delete` would load each row to look for related rows. The callers have deleted those
    already, and loading would take longer than everything else.
    """
    # Django returns None if it sees without a query that there are none.
    return int(rows._raw_delete(rows.db) or 0)
