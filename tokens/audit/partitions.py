"""Keep the events in partitions by id, so that retention drops old ones instead of deleting them.

PostgreSQL only, and only after `manage.py partition_events`. Ids are used and not times, because
seals cover ranges of ids: a partition can be dropped when the seals of all its ids can be removed.

Every change of a table waits for its lock for a moment only, again and again. A lock that is
waited for holds up all calls that come later.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Max

from tokens.audit import guards
from tokens.audit.guards import EVENTS
from tokens.db.event_ids import SEQUENCE, last_id
from tokens.models import Event

T = TypeVar("T")
# The partition of the events that were written before there were partitions, and the one of events
# for which none was added in time. `guards.PARTITION` knows their names.
FIRST, REST = f"{EVENTS}_first", f"{EVENTS}_rest"
# A constraint by which PostgreSQL knows, without reading the table, that it may become `FIRST`.
BOUND = f"{EVENTS}_bound"
# Ids that are left to `FIRST`, because events are written while the constraint is validated.
ROOM = 1_000_000
# PostgreSQL interrupts an autovacuum that is in the way after a second, so this is longer.
LOCK_WAIT, ATTEMPTS = "1500ms", 60
# The lock was not to be had in time, or two runs waited for each other (PostgreSQL).
LOCKED = ("55P03", "40P01")
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
    Raises `django.db.IntegrityError` if an event has an id that the portal has not given yet.
    """
    try:
        patiently(partial(_bind, room=room))
        with transaction.atomic(), connection.cursor() as cursor:
            _without_limit(cursor)
            patiently(_keep_others_out)
            if (end := _bound(cursor)) is not None:
                # Reads the table, and blocks neither readers nor writers.
                cursor.execute(f"ALTER TABLE {EVENTS} VALIDATE CONSTRAINT {BOUND}")
                patiently(partial(_swap, end=end, size=size))
    finally:
        tidy()
    if not is_partitioned():
        raise EventsLocked("another run has interrupted this one")
    add_ahead()
    with transaction.atomic(), connection.cursor() as cursor:
        _without_limit(cursor)
        # Nothing else collects statistics of the whole table.
        cursor.execute(f"ANALYZE {EVENTS}")


def tidy() -> None:
    """Remove the constraint that an interrupted `begin` left, unless another run needs it.

    It would refuse events as soon as the ids reach its end. While the table is locked it stays, and
    the next run removes it.
    """
    with connection.cursor() as cursor:
        left = connection.vendor == "postgresql" and _bound(cursor) is not None
    if left:
        with suppress(EventsLocked):
            patiently(_unbind, attempts=5)


def add_ahead() -> int:
    """Add partitions until none of the ids of the newest one was given. Return their number."""
    added = 0
    while _lacking() is not None and patiently(_add_lacking):
        added += 1
    return added


def patiently(act: Callable[[CursorWrapper], T], *, attempts: int = ATTEMPTS) -> T:
    """Run ``act`` in a transaction, again if it can't lock a table at once.

    Within a transaction it is a savepoint that is repeated. Raises `EventsLocked`.
    """
    for _attempt in range(attempts):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WAIT])
                return act(cursor)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in LOCKED:
                raise
            time.sleep(1)
    raise EventsLocked("other transactions keep the events locked")


def drop(cursor: CursorWrapper, *, partition: Partition) -> None:
    """Drop a partition with its events, within `patiently`."""
    cursor.execute(f"DROP TABLE {partition.name}")


def _without_limit(cursor: CursorWrapper) -> None:
    cursor.execute("SET LOCAL statement_timeout = 0")


def _keep_others_out(cursor: CursorWrapper) -> None:
    """Let no other run change the table until the transaction ends. Calls go on."""
    cursor.execute(f"LOCK TABLE {EVENTS} IN SHARE UPDATE EXCLUSIVE MODE")


def _bound(cursor: CursorWrapper) -> int | None:
    """Return the end of the constraint `BOUND`; None if the table has none."""
    cursor.execute(
        "SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND conname = %s",
        [EVENTS, BOUND],
    )
    found = cursor.fetchone()
    return int(found[0]) if found else None


def _bind(cursor: CursorWrapper, *, room: int) -> None:
    _keep_others_out(cursor)
    if not is_partitioned():
        _unbind(cursor)
        end = last_id() + room
        cursor.execute(f"ALTER TABLE {EVENTS} ADD CONSTRAINT {BOUND} CHECK (id < {end}) NOT VALID")


def _unbind(cursor: CursorWrapper) -> None:
    _keep_others_out(cursor)
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
    cursor.execute(f"ALTER TABLE {EVENTS} DROP CONSTRAINT {BOUND}")
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


def _lacking() -> Partition | None:
    """Return the partition that has to be added; None if the newest one is ahead of the ids."""
    known, last = partitions(), last_id()
    if not known or known[-1].start > last:
        return None
    newest = known[-1]
    size = newest.end - newest.start
    # If none was added in time, events are in `REST`, and a partition starts after them.
    start = newest.end if last < newest.end else last + max(1, size // 10)
    # It also starts after events that a role with rights on rows gave ids of the future.
    while (found := _highest_within(start, start + size)) is not None:
        start = found + 1
    return Partition(f"{EVENTS}_from_{start}", start, start + size)


def _highest_within(start: int, end: int) -> int | None:
    found: int | None = Event.objects.filter(pk__gte=start, pk__lt=end).aggregate(id=Max("pk"))[
        "id"
    ]
    return found


def _add_lacking(cursor: CursorWrapper) -> bool:
    """Add a partition, unless another run has done so. Return whether one was added."""
    _keep_others_out(cursor)
    if (partition := _lacking()) is None:
        return False
    _add(cursor, start=partition.start, size=partition.end - partition.start)
    return True


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
