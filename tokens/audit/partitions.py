"""Keep the events in partitions by id, so that retention drops old ones instead of deleting them.

PostgreSQL only, and only after `manage.py partition_events`. Ids are used and not times, because
seals cover ranges of ids: a partition can be dropped when the seals of all its ids can be removed.

Every change of a table waits for its lock for a second at most, again and again. A lock that is
waited for holds up all calls that come later.
"""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from tokens.audit import guards
from tokens.audit.guards import EVENTS
from tokens.db.event_ids import SEQUENCE, last_id

T = TypeVar("T")
# The partition of the events that were written before there were partitions, and the one of events
# for which none was added in time. `guards.PARTITION` knows their names.
FIRST, REST = f"{EVENTS}_first", f"{EVENTS}_rest"
# A constraint by which PostgreSQL knows, without reading the table, that it may become `FIRST`.
BOUND = f"{EVENTS}_bound"
# Ids that are left to `FIRST`, because events are written while the constraint is validated.
ROOM = 1_000_000
LOCK_WAIT, ATTEMPTS = "1s", 60
# The lock was not to be had in time (PostgreSQL).
LOCK_NOT_AVAILABLE = "55P03"
RANGE = re.compile(r"FOR VALUES FROM \((?:MINVALUE|'(\d+)')\) TO \('(\d+)'\)")

# Statements, from the owner and the rights of the table and of the sequence of its ids.
RIGHTS = f"""
SELECT format('ALTER TABLE %%I OWNER TO %%s', relname, relowner::regrole)
FROM pg_class WHERE oid = %(table)s::regclass
UNION ALL
SELECT format('GRANT %%s ON %%s %%I TO %%s%%s', privilege_type,
    CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid IN (%(table)s::regclass, {SEQUENCE}::regclass) AND grantee <> relowner
"""  # noqa: S608


class EventsLocked(Exception):
    """Other transactions keep the table of events locked."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Describe a partition: it holds the ids from ``start`` on that are below ``end``."""

    name: str
    start: int
    end: int


def is_partitioned() -> bool:
    """Return whether the table of events has partitions."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass", [EVENTS])
        return bool(cursor.fetchone()[0])


def partitions() -> list[Partition]:
    """Return the partitions in the order of their ids, without `REST`."""
    if not is_partitioned():
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits"
            " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass",
            [EVENTS],
        )
        rows = cursor.fetchall()
    found = ((name, RANGE.fullmatch(bounds)) for name, bounds in rows)
    ranges = (Partition(name, int(at[1] or 0), int(at[2])) for name, at in found if at)
    return sorted(ranges, key=lambda one: one.start)


def begin(*, size: int, room: int = ROOM) -> None:
    """Give the table partitions of ``size`` ids. What it holds becomes the first one.

    Calls go on, but for some milliseconds. Raises `EventsLocked`; the table is then as before.
    """
    end = last_id() + room
    try:
        patiently(partial(_bind, end=end))
        with transaction.atomic(), connection.cursor() as cursor:
            # Reads the table, and blocks neither readers nor writers.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute(f"ALTER TABLE {EVENTS} VALIDATE CONSTRAINT {BOUND}")
        patiently(partial(_swap, end=end, size=size))
    finally:
        if not is_partitioned():
            patiently(_unbind)
    add_ahead()
    with connection.cursor() as cursor:
        # Nothing else collects statistics of the whole table.
        cursor.execute(f"ANALYZE {EVENTS}")


def add_ahead() -> int:
    """Add partitions until none of the ids of the newest one was given. Return their number."""
    added = 0
    while (known := partitions()) and known[-1].start <= (last := last_id()):
        newest = known[-1]
        size = newest.end - newest.start
        # If none was added in time, events are in `REST`, and a partition starts after them.
        start = newest.end if last < newest.end else last + max(1, size // 10)
        patiently(partial(_add, start=start, size=size))
        added += 1
    return added


def patiently(
    act: Callable[[CursorWrapper], T],
    *,
    within: Callable[[], AbstractContextManager[None]] = transaction.atomic,
) -> T:
    """Run ``act`` in a transaction of its own, again if it can't lock a table within a second.

    ``within`` opens the transaction. Raises `EventsLocked`.
    """
    for _attempt in range(ATTEMPTS):
        try:
            with within(), connection.cursor() as cursor:
                _wait_briefly(cursor)
                return act(cursor)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)
    raise EventsLocked("other transactions keep the events locked")


def drop(cursor: CursorWrapper, partition: Partition) -> None:
    """Drop a partition with its events, within `patiently`."""
    _wait_briefly(cursor)
    cursor.execute(f"DROP TABLE {partition.name}")


def _wait_briefly(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WAIT])


def _bind(cursor: CursorWrapper, *, end: int) -> None:
    _unbind(cursor)
    cursor.execute(f"ALTER TABLE {EVENTS} ADD CONSTRAINT {BOUND} CHECK (id < {end}) NOT VALID")


def _unbind(cursor: CursorWrapper) -> None:
    cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT IF EXISTS {BOUND}")


def _swap(cursor: CursorWrapper, *, end: int, size: int) -> None:
    """Put a table with partitions in the place of the table, which becomes the first of them."""
    cursor.execute(f"LOCK TABLE {EVENTS} IN ACCESS EXCLUSIVE MODE")
    last, rights = last_id(), _rights(cursor)
    cursor.execute(
        "SELECT relname, pg_get_indexdef(indexrelid), indisprimary FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = %s::regclass",
        [EVENTS],
    )
    indexes = cursor.fetchall()
    cursor.execute(f"ALTER TABLE {EVENTS} ALTER id DROP IDENTITY")
    cursor.execute(f"ALTER TABLE {EVENTS} RENAME TO {FIRST}")
    for name, _definition, _primary in indexes:
        cursor.execute(f'ALTER INDEX "{name}" RENAME TO "{name}_first"')
    cursor.execute(
        f"CREATE TABLE {EVENTS} (LIKE {FIRST} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        " INCLUDING STORAGE) PARTITION BY RANGE (id)"
    )
    _unbind(cursor)
    cursor.execute(f"ALTER TABLE {EVENTS} ALTER id ADD GENERATED BY DEFAULT AS IDENTITY")
    if last:
        cursor.execute(f"SELECT setval({SEQUENCE}, %s)", [last])
    for name, definition, primary in indexes:
        key = f'ALTER TABLE {EVENTS} ADD CONSTRAINT "{name}" PRIMARY KEY (id)'
        cursor.execute(key if primary else definition)
    # PostgreSQL finds the equal indexes of the table and takes them over.
    cursor.execute(
        f"ALTER TABLE {EVENTS} ATTACH PARTITION {FIRST} FOR VALUES FROM (MINVALUE) TO ({end})"
    )
    cursor.execute(f"ALTER TABLE {FIRST} DROP CONSTRAINT {BOUND}")
    cursor.execute(f"DROP TRIGGER IF EXISTS {EVENTS}_append_only ON {FIRST}")
    for statement in rights:
        cursor.execute(statement)
    cursor.execute(f"CREATE TABLE {REST} PARTITION OF {EVENTS} DEFAULT")
    _hand_over(cursor, REST)
    _add(cursor, start=end, size=size)


def _add(cursor: CursorWrapper, *, start: int, size: int) -> None:
    name = f"{EVENTS}_from_{start}"
    cursor.execute(
        f"CREATE TABLE {name} PARTITION OF {EVENTS} FOR VALUES FROM ({start}) TO ({start + size})"
    )
    _hand_over(cursor, name)
    guards.install(connection)


def _rights(cursor: CursorWrapper) -> list[str]:
    """Return the statements that give the table's owner and rights to a new one of its name."""
    cursor.execute(RIGHTS, {"table": EVENTS})
    return [statement for (statement,) in cursor.fetchall()]


def _hand_over(cursor: CursorWrapper, name: str) -> None:
    """Give a partition to the owner of the table. Rights on it are those on the table."""
    cursor.execute("SELECT relowner::regrole FROM pg_class WHERE oid = %s::regclass", [EVENTS])
    (owner,) = cursor.fetchone()
    cursor.execute(f"ALTER TABLE {name} OWNER TO {owner}")
