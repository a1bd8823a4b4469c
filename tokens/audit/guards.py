"""Triggers by which the database itself refuses to change or remove an event or a seal.

They stand against accidents, bugs and every path through the app. Somebody who may alter the
schema can drop them: that is what the seals are for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as default_connection
from django.db import connections, transaction

EVENTS, SEALS = "tokens_event", "tokens_seal"
TABLES = (EVENTS, SEALS)
REFUSAL = "the audit trail is append-only"
# SQLite has no variables of a transaction: there, a row in this table is the permission. It is
# taken out again by the transaction that put it in, so that nobody else ever sees it.
PERMISSION = "tokens_retention"

PG_FUNCTION = f"""
CREATE OR REPLACE FUNCTION tokens_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = '{EVENTS}'
       AND current_setting('tokens.retention', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '{REFUSAL}: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def install(connection: Any) -> None:
    """Put the triggers on whichever of the tables exist; harmless to repeat. A table that a
    migration has made anew (SQLite's way of altering one) lost its own."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for statement in _install(connection.vendor, [t for t in TABLES if t in present]):
            cursor.execute(statement)


def after_migrate(*, using: str, **_: Any) -> None:
    """SQLite alters a table by making it anew, and the triggers of the old one go with it."""
    install(connections[using])


def drop(connection: Any) -> None:
    """Take the triggers away: for a test's flush, and for nothing else."""
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for table in TABLES:
            if table not in present:
                continue
            for name in _names(connection.vendor, table):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def _names(vendor: str, table: str) -> tuple[str, ...]:
    if vendor == "postgresql":
        return (f"{table}_append_only",)
    return (f"{table}_no_update", f"{table}_no_delete")


def _install(vendor: str, tables: list[str]) -> Iterator[str]:
    if vendor == "postgresql":
        if tables:
            yield PG_FUNCTION
        for table in tables:
            # For each statement, not each row: it costs an INSERT nothing, and refuses an
            # UPDATE that happens to match no row too.
            yield (
                f"CREATE OR REPLACE TRIGGER {table}_append_only "
                f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION tokens_append_only()"
            )
        return
    if tables:
        yield f"CREATE TABLE IF NOT EXISTS {PERMISSION} (granted integer NOT NULL)"
    for table in tables:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        unless = f"WHEN NOT EXISTS (SELECT 1 FROM {PERMISSION}) " if table == EVENTS else ""  # noqa: S608
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table} "
            f"FOR EACH ROW {refuse}"
        )
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table} "
            f"FOR EACH ROW {unless}{refuse}"
        )


@contextmanager
def retention() -> Iterator[None]:
    """One transaction in which events may be deleted (never changed, and never a seal)."""
    connection = default_connection
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('tokens.retention', 'on', true)")
            yield
            cursor.execute("SELECT set_config('tokens.retention', 'off', true)")
        else:
            cursor.execute(f"INSERT INTO {PERMISSION} VALUES (1)")  # noqa: S608
            yield
            cursor.execute(f"DELETE FROM {PERMISSION}")  # noqa: S608  (a constant)
