"""Read the revocation feed, which services poll.

A cursor is a snapshot: it says which transactions had committed. The next poll reads the entries
of every other transaction that has committed since. So nothing is skipped, in whatever order
transactions commit, and no poll waits for a long one.

Only entries younger than an access token can live matter to a new reader. A reader with a cursor
gets every entry, whatever its age, so a revocation that was long uncommitted reaches it too.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Min, Q, QuerySet

from tokens.db import clock
from tokens.db.statements import fetch_all
from tokens.jwt.signing import LAST_INSTANT, access_lifetime, leeway, names_primary_key, user_id
from tokens.models import FeedEntry

PAGE = 10_000
# How long a transaction may take that a reader without a cursor does not miss.
LONGEST_TRANSACTION = timedelta(minutes=1)
VERSION = 1
# The time is read before the snapshot, so everything that was committed by then is in it.
PG_CURRENT = (
    "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, statement_timestamp()"
)
# Most polls find nothing new. This statement sees what the snapshot that it returns has seen, and
# reads the same range of the index as `_entries`.
PG_NEWS = """, EXISTS (SELECT 1 FROM {feed} WHERE "transaction" >= %s
    AND ("transaction" >= %s OR "transaction" = ANY(%s::bigint[])))"""
SQLITE_CURRENT = "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = %s), 0)"


class CursorOutlived(Exception):
    """Raised for a cursor that is unknown here, or older than the entries that are kept."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Say which transactions had committed: those below ``top``, without ``open_ones``.

    ``source`` names the running database server. The numbers of another one, such as a standby that
    took over or a restored backup, mean other transactions.
    """

    source: str
    bottom: int
    top: int
    open_ones: tuple[int, ...]

    @property
    def seen(self) -> Q:
        """Return the condition of the entries that were visible."""
        return Q(transaction__lt=self.top) & ~Q(transaction__in=self.open_ones)

    def as_list(self) -> list[object]:
        """Return it as JSON, with small numbers."""
        open_ones = [number - self.bottom for number in self.open_ones]
        return [self.source, self.bottom, self.top - self.bottom, open_ones]

    @classmethod
    def from_list(cls, parts: list[object] | None) -> "Snapshot | None":
        """Read what `as_list` returned. Raises ValueError or TypeError for anything else."""
        if parts is None:
            return None
        source, bottom, top, open_ones = parts
        if not isinstance(open_ones, list):
            raise TypeError("it lists no transactions")
        bottom = _number(bottom)
        between = tuple(_number(number) + bottom for number in open_ones)
        return cls(str(source), bottom, _number(top) + bottom, between)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Say how far a service has read.

    It has all of ``base``; None for a service that started without a cursor. If ``position`` is
    set, the service is on its way through the entries that ``until`` has and ``base`` has not.
    ``as_of`` is the instant up to which it knows everything.
    """

    as_of: float
    base: Snapshot | None
    until: Snapshot | None = None
    position: tuple[int, int] = (0, 0)

    def as_text(self) -> str:
        """Return an opaque text for an address."""
        snapshots = [one and one.as_list() for one in (self.base, self.until)]
        parts = [VERSION, self.as_of, *snapshots, self.position]
        packed = json.dumps(parts, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Read a cursor. Raises `CursorOutlived` for any other text."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, as_of, base, until, position = json.loads(packed)
            if version != VERSION:
                raise ValueError("another release wrote it")
            first, second = map(_number, position)
            if not isinstance(as_of, float) or not 0 <= as_of < LAST_INSTANT:
                raise ValueError("it names no instant")
            return cls(as_of, Snapshot.from_list(base), Snapshot.from_list(until), (first, second))
        except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise CursorOutlived from error


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Hold one answer. ``new`` is False if it says nothing that the cursor does not say."""

    cursor: str
    as_of: float
    revocations: list[dict[str, object]]
    new: bool


def kept_for() -> timedelta:
    """Return how long an entry matters to a reader without a cursor."""
    return access_lifetime() + timedelta(seconds=leeway()) + LONGEST_TRANSACTION


def read_feed(*, after: str = "", size: int = PAGE) -> FeedPage:
    """Return the revocations since the cursor ``after``, or all that still matter.

    Raises `CursorOutlived`.
    """
    cursor = Cursor.from_text(after) if after else None
    snapshot, now, news = _current(cursor)
    if cursor is not None:
        _check(cursor, snapshot, now)
        if not news and _is_young(cursor, now):
            return FeedPage(after, now.timestamp(), [], new=False)
    else:
        cursor = Cursor((now - kept_for()).timestamp(), None)
    goal = cursor.until or snapshot
    rows = list(_entries(cursor, goal, now)[: size + 1])
    if len(rows) > size:
        last = rows[size - 1]
        onward = Cursor(cursor.as_of, cursor.base, goal, (last.transaction, last.pk))
        return _page(onward, rows[:size])
    # The goal of pages was set when the first of them was read.
    done = Cursor(now.timestamp() if cursor.until is None else cursor.as_of, goal)
    if not rows and after and cursor.until is None and _is_young(cursor, now):
        return FeedPage(after, now.timestamp(), [], new=False)
    return _page(done, rows)


def _check(cursor: Cursor, snapshot: Snapshot, now: datetime) -> None:
    for known in (cursor.base, cursor.until):
        if known is not None and (known.source != snapshot.source or known.top > snapshot.top):
            raise CursorOutlived
    if cursor.as_of < (now - 2 * kept_for()).timestamp():
        raise CursorOutlived


def _is_young(cursor: Cursor, now: datetime) -> bool:
    return cursor.as_of > (now - kept_for() / 2).timestamp()


def _entries(cursor: Cursor, goal: Snapshot, now: datetime) -> "QuerySet[FeedEntry]":
    """Return the entries that the reader has not had, in order: one range of one index."""
    rows = FeedEntry.objects.order_by("transaction", "pk").filter(goal.seen)
    if cursor.until is not None:
        number, pk = cursor.position
        rows = rows.filter(transaction__gte=number).exclude(transaction=number, pk__lte=pk)
    if cursor.base is not None:
        return rows.filter(transaction__gte=cursor.base.bottom).exclude(cursor.base.seen)
    if cursor.until is None:
        fresh = FeedEntry.objects.filter(at__gt=now - kept_for())
        first = fresh.aggregate(first=Min("transaction"))["first"]
        rows = rows.filter(transaction__gte=first) if first is not None else rows.none()
    return rows


def _current(cursor: Cursor | None = None) -> tuple[Snapshot, datetime, bool]:
    """Return what is committed, and the time after which no entry of it can appear.

    The last value is False if it is certain that nothing came since ``cursor``.
    """
    if connection.vendor != "postgresql":
        now = clock.now()
        ((last,),) = fetch_all(SQLITE_CURRENT, [FeedEntry._meta.db_table])
        return Snapshot("", last + 1, last + 1, ()), now, True
    base = cursor.base if cursor is not None and cursor.until is None else None
    if base is None:
        ((text, source, at),) = fetch_all(PG_CURRENT, [], binary=True)
        news = True
    else:
        # Text, because psycopg examines each number of a list.
        listed = ",".join(map(str, base.open_ones))
        known = [base.bottom, base.top, f"{{{listed}}}"]
        ((text, source, at, news),) = fetch_all(_current_and_news(), known, binary=True)
    bottom, top, between = text.split(":")
    open_ones = tuple(int(number) for number in between.split(",") if number)
    return Snapshot(str(source), int(bottom), int(top), open_ones), clock.read(at), bool(news)


@lru_cache(maxsize=1)
def _current_and_news() -> str:
    return PG_CURRENT + PG_NEWS.format(feed=connection.ops.quote_name(FeedEntry._meta.db_table))


def _page(cursor: Cursor, rows: Sequence[FeedEntry]) -> FeedPage:
    names = _names([row.user_id for row in rows if row.user_id is not None])
    said = [_revocation(row, names) for row in rows]
    return FeedPage(cursor.as_text(), cursor.as_of, said, new=True)


def _revocation(row: FeedEntry, names: dict[object, str]) -> dict[str, object]:
    if row.session_id is not None:
        return {"sid": str(row.session_id)}
    before = row.before.timestamp() if row.before is not None else 0
    if row.user_id is None or row.user_id not in names:
        # Tokens name an account that is gone in a way that is no longer known. Ending everybody's
        # access tokens makes clients refresh.
        return {"before": before}
    return {"user_id": names[row.user_id], "before": before}


def _names(keys: list[object]) -> dict[object, str]:
    """Return the accounts as tokens name them."""
    model = get_user_model()
    if names_primary_key(model._meta.pk.name):
        return {key: str(key) for key in keys}
    users: QuerySet[Any] = model._base_manager.filter(pk__in=set(keys))
    return {user.pk: user_id(user) for user in users}


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**62:
        raise ValueError("it is no number of a transaction")
    return value
