"""Create triggers, and leave those alone that the database has already.

On PostgreSQL, creating a trigger waits for every transaction that writes to the table, and holds up
those that begin later. `manage.py migrate` runs beside a portal that serves, so it must create
a trigger only if that is missing, was disabled or has changed.
"""

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

# PostgreSQL stores a trigger in a form of its own, so a comment keeps the digest of the statement.
PG_UNCHANGED = """SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = %s::regclass
AND tgenabled = 'O' AND obj_description(oid, 'pg_trigger') = %s"""
# These change no column that a trigger may name.
ADDITIVE = (
    operations.AddConstraint,
    operations.AddField,
    operations.AddIndex,
    operations.AlterModelManagers,
    operations.AlterModelOptions,
    operations.CreateModel,
    operations.RemoveConstraint,
    operations.RemoveIndex,
    operations.RunPython,
)
SQLITE_KEPT = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s"


def ensure_trigger(
    connection: "BaseDatabaseWrapper", *, name: str, table: str, definition: str
) -> None:
    """Create the trigger, or replace one with another definition.

    ``table`` is a quoted name. ``definition`` is what follows the name in the statement. On
    PostgreSQL the function that the trigger calls has to exist.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            digest = hashlib.sha256(definition.encode()).hexdigest()
            cursor.execute(PG_UNCHANGED, [name, table, digest])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE OR REPLACE TRIGGER {name} {definition}")
                cursor.execute(f"COMMENT ON TRIGGER {name} ON {table} IS '{digest}'")
            return
        statement = f"CREATE TRIGGER {name} {definition}"
        cursor.execute(SQLITE_KEPT, [name])
        if cursor.fetchone() != (statement,):
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute(statement)


def must_go(
    connection: "BaseDatabaseWrapper",
    plan: Iterable[tuple[Migration, bool]],
    models: Iterable[type["Model"]],
) -> bool:
    """Return whether the triggers on these models' tables have to be dropped for the migrations.

    SQLite changes a table by copying it, which fails while a trigger names a missing table.
    PostgreSQL changes and drops no column that a trigger names. Otherwise the triggers stay: a
    portal that serves during `migrate` needs them.
    """
    steps = list(plan)
    if connection.vendor != "postgresql":
        return bool(steps)
    apps = {model._meta.app_label for model in models}
    return any(
        backwards or not all(map(_is_additive, migration.operations))
        for migration, backwards in steps
        if migration.app_label in apps
    )


def _is_additive(operation: Operation) -> bool:
    if isinstance(operation, operations.SeparateDatabaseAndState):
        return all(map(_is_additive, operation.database_operations))
    return isinstance(operation, ADDITIVE)
