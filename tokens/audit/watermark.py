"""Find the high-water mark of the trail: no event will appear at or below it any more.

An event gets its id when it is written and becomes visible when its transaction commits, and
transactions commit in any order. A reader that passes each event once (seals, roll-ups, webhook)
must not read beyond this mark.
"""

import time

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from tokens.db.event_ids import last_id

POLL_SECONDS = 0.01


class StillWriting(Exception):
    """A transaction that has written events stays open."""


def high_water_mark(*, wait: float = 30.0) -> int:
    """Return the id up to which the trail is complete.

    Waits up to ``wait`` seconds for open transactions, then raises `StillWriting`. Writers are
    never blocked.

    PostgreSQL: read the last id of the sequence, then wait for the transactions that hold the
    table's writing lock at that moment. Later transactions get higher ids, and a lock is
    released only after its transaction has become visible. SQLite has one writer at a time, and
    the transaction here is IMMEDIATE, so it is that writer.
    """
    if connection.vendor != "postgresql":
        with transaction.atomic():
            return last_id()
    last = last_id()
    with connection.cursor() as cursor:
        writers = _open_writers(cursor)
        deadline = time.monotonic() + wait
        while writers:
            if time.monotonic() > deadline:
                raise StillWriting("a transaction that has written events stays open")
            time.sleep(POLL_SECONDS)
            writers &= _open_writers(cursor)
    return last


def _open_writers(cursor: CursorWrapper) -> set[str]:
    """Return the other open transactions that may have written events."""
    cursor.execute(
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND relation = 'tokens_event'::regclass AND mode = 'RowExclusiveLock' "
        "AND pid IS DISTINCT FROM pg_backend_pid()"
    )
    return {row[0] for row in cursor.fetchall()}
