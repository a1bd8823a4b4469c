"""Have the database keep the addresses and devices that a session was seen at.

A trigger writes `tokens.models.SessionOrigin` when a session's address or device changes. So a
refresh from the same address runs no more statements, and hosts of an earlier release, which don't
know the table, fill it too. Another trigger deletes the rows with their session.

`manage.py migrate` drops the triggers before it changes what they name, and creates them again
afterwards. Other migrations leave them, for hosts that serve at the same time.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import connections, transaction
from django.db.migrations import Migration

from tokens.db.triggers import ensure_trigger, must_go
from tokens.models import Session, SessionOrigin

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# The addresses that are kept of a session, the last seen first.
KEPT = 20
MOVED, DELETED = "tokens_session_moved", "tokens_session_deleted"
# The row of a session, OLD or NEW, becomes or updates the row of its address and device.
SEEN = """INSERT INTO {origin} (session_id, ip, user_agent, first_seen_at, last_seen_at)
SELECT {row}.id, {row}.ip, {row}.user_agent, {row}.{first}, {row}.last_used_at
WHERE {row}.ip IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {origin}
    WHERE session_id = {row}.id AND ip = {row}.ip AND user_agent = {row}.user_agent);
UPDATE {origin} SET last_seen_at = {row}.last_used_at
WHERE session_id = {row}.id AND ip = {row}.ip AND user_agent = {row}.user_agent;"""
TRIM = """DELETE FROM {origin} WHERE session_id = NEW.id AND id NOT IN (SELECT id FROM {origin}
    WHERE session_id = NEW.id ORDER BY last_seen_at DESC, id DESC LIMIT {kept});"""
DELETE = "DELETE FROM {origin} WHERE session_id = OLD.id;"
PG_FUNCTION = """CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
{act}
RETURN NULL;
END $$"""
PG_TRIGGER = "AFTER {when} EXECUTE FUNCTION {name}()"
SQLITE_TRIGGER = """AFTER {when}
BEGIN
{act}
END"""


def before_migrate(*, using: str, plan: Iterable[tuple[Migration, bool]] = (), **_: object) -> None:
    """Drop the triggers if a migration may change what they name."""
    connection = connections[using]
    if must_go(connection, plan, (Session,)):
        drop(connection)


def after_migrate(*, using: str, **_: object) -> None:
    """Create the triggers if the tables are there."""
    install(connections[using])


def install(connection: "BaseDatabaseWrapper") -> None:
    """Create the triggers that are missing or have changed."""
    postgresql = connection.vendor == "postgresql"
    session = connection.ops.quote_name(Session._meta.db_table)
    origin = connection.ops.quote_name(SessionOrigin._meta.db_table)
    differs = "OLD.{0} IS DISTINCT FROM NEW.{0}" if postgresql else "OLD.{0} IS NOT NEW.{0}"
    moved = " OR ".join(differs.format(name) for name in ("ip", "user_agent"))
    move = f"UPDATE OF ip, user_agent ON {session} FOR EACH ROW "
    move += f"WHEN (NEW.ip IS NOT NULL AND ({moved}))"
    delete = f"DELETE ON {session} FOR EACH ROW"
    # In one transaction, so that no change is missed.
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        if not present >= {model._meta.db_table for model in (Session, SessionOrigin)}:
            return
        for name, when, act in (
            (MOVED, move, _move(origin)),
            (DELETED, delete, DELETE.format(origin=origin)),
        ):
            words = {"name": name, "when": when, "act": act}
            if postgresql:
                cursor.execute(PG_FUNCTION.format(**words))
            definition = (PG_TRIGGER if postgresql else SQLITE_TRIGGER).format(**words)
            ensure_trigger(connection, name=name, table=session, definition=definition)


def _move(origin: str) -> str:
    """Return the statements for a session whose address or device changed."""
    # The address that is left has a row already, unless the session opened there.
    left = SEEN.format(origin=origin, row="OLD", first="created_at")
    reached = SEEN.format(origin=origin, row="NEW", first="last_used_at")
    return "\n".join([left, reached, TRIM.format(origin=origin, kept=KEPT)])


def drop(connection: "BaseDatabaseWrapper") -> None:
    """Drop the triggers, if they exist."""
    with connection.cursor() as cursor:
        for name in (MOVED, DELETED):
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
