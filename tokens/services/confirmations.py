"""Store up to which instant a service knows every revocation.

A service that asks with a cursor and gets nothing new knows all that was committed by then. A
transaction that is still open may have revoked something before, so the stored instant is never
later than the start of the oldest one.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from tokens.db import clock
from tokens.db.statements import fetch_all
from tokens.models import Service
from tokens.services.feed import Cursor, FeedPage, read_feed

# The stored instant may be behind by this much, if nothing was revoked.
STORED_EVERY = timedelta(seconds=10)
# A revocation may read the time this long before its transaction has a number.
STAMPED_BEFORE = timedelta(seconds=1)
OLDEST_WRITER = """SELECT LEAST(clock_timestamp(), MIN(xact_start)) FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()"""


def confirm(*, service: Service, after: str, page: FeedPage) -> None:
    """Store what a service confirms by asking with the cursor ``after``; ``page`` is the answer.

    A poll without news writes once in `STORED_EVERY`.
    """
    if not after or page.revocations:
        return
    cursor = Cursor.from_text(after)
    if cursor.until is not None or not _is_due(service.confirmed_at, cursor):
        return
    settled = _settled_until()
    # Read again: what was committed before that instant is visible now.
    if not read_feed(after=after).revocations:
        earlier = Q(confirmed_at=None) | Q(confirmed_at__lt=settled)
        Service.objects.filter(earlier, pk=service.pk).update(confirmed_at=settled)


def _is_due(confirmed: datetime | None, cursor: Cursor) -> bool:
    if confirmed is None or confirmed.timestamp() <= cursor.as_of:
        return True
    return confirmed < clock.now() - STORED_EVERY - STAMPED_BEFORE


def _settled_until() -> datetime:
    """Return an instant before which no open transaction has revoked anything."""
    if connection.vendor != "postgresql":
        return clock.now() - STAMPED_BEFORE
    ((at,),) = fetch_all(OLDEST_WRITER, [])
    settled: datetime = at
    return settled - STAMPED_BEFORE
