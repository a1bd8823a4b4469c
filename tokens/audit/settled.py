"""Up to which id the trail is settled: nothing will appear at or below it any more.

Ids are given out when an event is written, and become visible when its transaction commits, in
any order. Whoever reads the trail once and for all (seals, roll-ups, webhook) has to know how
far that is safe.
"""

import time

from django.db import connection, transaction
from django.db.models import Max

from tokens.models import Event

POLL_SECONDS = 0.01


class StillWriting(Exception):
    """A transaction that has written events stays open."""


def settled_id(*, wait: float = 30.0) -> int:
    """The id. Raises `StillWriting` where a writer stays open for longer than ``wait`` seconds.

    Nobody is kept from writing. On PostgreSQL: read how far ids have been given out, then let
    those finish who hold the table's writing lock at that moment; whoever comes later gets
    higher ids. (A lock is given back after its transaction has become visible.) On SQLite there
    is one writer at a time, and in a transaction of our own (it begins IMMEDIATE) that is us.
    """
    if connection.vendor != "postgresql":
        with transaction.atomic():
            return Event.objects.aggregate(last=Max("pk"))["last"] or 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence('tokens_event', 'id')")
        (sequence,) = cursor.fetchone()
        cursor.execute(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        (last,) = cursor.fetchone()
        writers = _writers(cursor)
        deadline = time.monotonic() + wait
        while writers:
            if time.monotonic() > deadline:
                raise StillWriting("a transaction that has written events stays open")
            time.sleep(POLL_SECONDS)
            writers &= _writers(cursor)
    return int(last)


def _writers(cursor: object) -> set[str]:
    """Transactions, other than our own, that may have written events and are still open."""
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND relation = 'tokens_event'::regclass AND mode = 'RowExclusiveLock' "
        "AND pid IS DISTINCT FROM pg_backend_pid()"
    )
    return {row[0] for row in cursor.fetchall()}  # type: ignore[attr-defined]
