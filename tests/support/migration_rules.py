"""Rules for migrations that run while the release before still serves.

`manage.py migrate` of a new release runs first, then hosts are restarted one by one. So the code of
the release before must work on the new tables, and no statement may hold a lock on a table for
longer than a moment. The rules are those of django-migration-linter and strong_migrations, as far
as they concern PostgreSQL.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field
from django.db.models.expressions import Value
from django.db.models.fields import NOT_PROVIDED

from tokens.db.operations import AddIndexGently, RemoveIndexGently

LOSES = "The release before still uses what this removes or renames."
NOT_NULL = (
    "The release before inserts rows without this column: let it be null, or give db_default."
)
REWRITES = "The default is not a constant, so PostgreSQL writes every row again."
INDEXES = "This builds or drops an index under a lock: use AddIndexGently or RemoveIndexGently."
VALIDATES = "This reads the whole table under a lock."
RETYPES = "This writes the whole table again, or narrows a column that the release before fills."
UNREADABLE = "A test can't read what this does: say why it is safe."
HOLDS = "The transaction holds its locks until this has changed every row: say why that is short."
NOT_REPEATABLE = "A migration that is not atomic must be able to run again after an interruption."
ATOMIC = "PostgreSQL builds no index concurrently in a transaction: set atomic = False."

GENTLE = (AddIndexGently, RemoveIndexGently)
HARMLESS = (
    operations.AlterModelManagers,
    operations.AlterModelOptions,
    operations.AlterModelTableComment,
    operations.CreateModel,
)
LOSING = (
    operations.AlterModelTable,
    operations.DeleteModel,
    operations.RemoveConstraint,
    operations.RemoveField,
    operations.RenameField,
    operations.RenameModel,
)


def faults(migration: Migration, state: ProjectState) -> set[str]:
    """Return which rules the migration breaks. ``state`` is that before it."""
    found: set[str] = set()
    new: set[str] = set()
    for operation in migration.operations:
        found |= set(_faults(operation, migration, state, new))
        if isinstance(operation, operations.CreateModel):
            new.add(operation.name_lower)
        operation.state_forwards(migration.app_label, state)
    return found


def _faults(
    operation: Operation, migration: Migration, state: ProjectState, new: set[str]
) -> Iterator[str]:
    if isinstance(operation, operations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from _faults(inner, migration, state, new)
        for inner in operation.state_operations:
            yield from _faults_of_state(inner, migration, state)
        return
    if not migration.atomic and not isinstance(operation, (*GENTLE, operations.RunPython)):
        yield NOT_REPEATABLE
    if isinstance(operation, GENTLE):
        if migration.atomic:
            yield ATOMIC
    elif getattr(operation, "model_name_lower", None) not in new:
        yield from _faults_of_table(operation, migration, state)


def _faults_of_table(
    operation: Operation, migration: Migration, state: ProjectState
) -> Iterator[str]:
    """Yield the faults of an operation on a table that has rows."""
    if isinstance(operation, LOSING):
        yield LOSES
    elif isinstance(operation, operations.AddField):
        yield from _faults_of_new(operation.field)
    elif isinstance(operation, operations.AlterField):
        before = state.models[migration.app_label, operation.model_name_lower]
        yield from _faults_of_change(before.get_field(operation.name), operation.field)
    elif isinstance(operation, (operations.AddIndex, operations.RemoveIndex)):
        yield INDEXES
    elif isinstance(operation, operations.AddConstraint):
        yield VALIDATES
    elif isinstance(operation, operations.RunPython):
        if migration.atomic and operation.code is not operations.RunPython.noop:
            yield HOLDS
    elif not isinstance(operation, HARMLESS):
        yield UNREADABLE


def _faults_of_new(field: "Field[Any, Any]") -> Iterator[str]:
    given = field.db_default
    if not field.null and given is NOT_PROVIDED:
        yield NOT_NULL
    if hasattr(given, "resolve_expression") and not isinstance(given, Value):
        yield REWRITES
    yield from _indexed(field)


def _indexed(field: "Field[Any, Any]") -> Iterator[str]:
    if field.unique or getattr(field, "db_index", False):
        yield INDEXES
    if getattr(field, "db_constraint", False):
        yield VALIDATES


def _faults_of_change(before: "Field[Any, Any]", after: "Field[Any, Any]") -> Iterator[str]:
    if before.null and not after.null:
        yield NOT_NULL
        yield VALIDATES
    old, now = (_type(field) for field in (before, after))
    if old != now and not _widens(before, after):
        yield RETYPES
    yield from sorted(set(_indexed(after)) - set(_indexed(before)))
    if before.db_default is not NOT_PROVIDED and after.db_default is NOT_PROVIDED:
        yield NOT_NULL


def _type(field: "Field[Any, Any]") -> tuple[str | None, str | None]:
    if field.is_relation:
        # Its type is that of the key that it names.
        return str(field.remote_field.model).lower(), field.db_column
    return field.db_type(connection), field.db_column


def _widens(before: "Field[Any, Any]", after: "Field[Any, Any]") -> bool:
    """Return whether a text column only gets longer, for which PostgreSQL writes nothing."""
    same = before.get_internal_type() == after.get_internal_type() == "CharField"
    lengths = [field.max_length or 0 for field in (before, after)]
    return same and lengths[0] <= lengths[1]


def _faults_of_state(
    operation: Operation, migration: Migration, state: ProjectState
) -> Iterator[str]:
    """Yield the faults of code that forgets a column which stays."""
    if isinstance(operation, operations.RemoveField):
        model = state.models[migration.app_label, operation.model_name_lower]
        field = model.get_field(operation.name)
        if not field.null and field.db_default is NOT_PROVIDED:
            yield NOT_NULL
