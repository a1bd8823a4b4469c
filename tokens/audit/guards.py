"""Install the triggers with which the database refuses to change events, their targets and seals.

They protect against accidents, bugs and every path through the app. A role that may alter the
schema can drop them; the seals reveal what it does.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection as default_connection
from django.db import connections, transaction

from tokens.db.event_ids import HIGHEST
from tokens.db.triggers import ensure_trigger

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

EVENTS, TARGETS, SEALS = "tokens_event", "tokens_eventtarget", "tokens_seal"
TABLES = (EVENTS, TARGETS, SEALS)
# Retention deletes from these.
REMOVABLE = (EVENTS, TARGETS)
# A table with some of the events, see `tokens.audit.partitions`. A statement that names it does
# not meet the trigger of the whole table.
PARTITION = re.compile(rf"{EVENTS}_(first|rest|from_\d+)")
REFUSAL = "the audit trail is append-only"
# SQLite has no transaction variables, so a row in this table permits the deletion. The
# transaction that adds the row removes it before it commits, so no other connection sees it.
PERMISSION = "tokens_retention"
# SQLite gives an event the highest id of the table, plus one. After the highest number of all, it
# could write no event. So an id is refused that is further above the last one.
LONGEST_STEP = 2**20

SQLITE_PERMISSION = f"CREATE TABLE IF NOT EXISTS {PERMISSION} (granted integer NOT NULL)"
PG_FUNCTION = f"""
CREATE OR REPLACE FUNCTION tokens_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('{EVENTS}', '{TARGETS}')
       AND current_setting('tokens.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '{REFUSAL}: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def install(connection: "BaseDatabaseWrapper") -> None:
    """Create the triggers that are missing or have changed, on the tables that exist."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor, include_views=True))
        if present.isdisjoint(TABLES):
            return
        cursor.execute(PG_FUNCTION if connection.vendor == "postgresql" else SQLITE_PERMISSION)
    for table in _guarded(present):
        names = _names(connection.vendor, table)
        for name, definition in zip(names, _definitions(connection.vendor, table), strict=True):
            ensure_trigger(connection, name=name, table=table, definition=definition)


def after_migrate(*, using: str, **_: object) -> None:
    """Create the triggers that a migration dropped: SQLite alters a table by copying it."""
    install(connections[using])


def drop(connection: "BaseDatabaseWrapper") -> None:
    """Drop the triggers."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor, include_views=True))
        for table in _guarded(present):
            for name in _names(connection.vendor, table):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def remove(connection: "BaseDatabaseWrapper") -> None:
    """Drop the triggers, and what they use."""
    drop(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION IF EXISTS tokens_append_only()")
        else:
            cursor.execute(f"DROP TABLE IF EXISTS {PERMISSION}")


def _guarded(present: set[str]) -> list[str]:
    """Return the tables with triggers, of those that exist."""
    return sorted(t for t in present if t in TABLES or PARTITION.fullmatch(t))


def _names(vendor: str, table: str) -> tuple[str, ...]:
    if vendor == "postgresql":
        return (f"{table}_append_only",)
    steps = (f"{table}_no_step",) if table == EVENTS else ()
    return (f"{table}_no_update", f"{table}_no_delete", *steps)


def _definitions(vendor: str, table: str) -> Iterator[str]:
    """Yield the definitions of the triggers on a table, in the order of `_names`."""
    if vendor == "postgresql":
        # A trigger for each statement costs an INSERT nothing, and also refuses an UPDATE that
        # matches no row.
        yield (
            f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tokens_append_only()"
        )
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    unless = f"WHEN NOT EXISTS (SELECT 1 FROM {PERMISSION}) " if table in REMOVABLE else ""  # noqa: S608
    yield f"BEFORE UPDATE ON {table} FOR EACH ROW {refuse}"
    yield f"BEFORE DELETE ON {table} FOR EACH ROW {unless}{refuse}"
    if table == EVENTS:
        last = f"(SELECT max(seq) FROM sqlite_sequence WHERE name = '{EVENTS}')"  # noqa: S608
        yield (
            f"AFTER INSERT ON {EVENTS} FOR EACH ROW WHEN NEW.id < 1 "
            f"OR NEW.id - coalesce({last}, {HIGHEST - LONGEST_STEP}) > {LONGEST_STEP} "
            "BEGIN SELECT RAISE(ABORT, 'the portal gives no event such an id'); END"
        )


@contextmanager
def deletion_allowed() -> Iterator[None]:
    """Open a transaction in which events and their targets may be deleted, but not changed.

    No seal may be deleted.

    It is durable: it refuses to run inside another transaction.
    """
    connection = default_connection
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('tokens.retention', 'on', true)")
            yield
            cursor.execute("SELECT set_config('tokens.retention', 'off', true)")
        else:
            cursor.execute(f"INSERT INTO {PERMISSION} VALUES (1)")  # noqa: S608
            yield
            cursor.execute(f"DELETE FROM {PERMISSION}")  # noqa: S608  (a constant)
