"""Operations of migrations that leave the tables writable on PostgreSQL.

A migration with them is not atomic. It can be interrupted and run again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# An index takes longer to build than these allow. While a concurrent build waits for a lock, other
# transactions go on.
LIMITS = ("statement_timeout", "lock_timeout")


@contextmanager
def without_limits(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Lift the limits of the session until the block ends."""
    if schema_editor.connection.vendor != "postgresql":
        yield
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join('current_setting(%s)' for _ in LIMITS)}", LIMITS)
        before = cursor.fetchone()
    _set(schema_editor, dict.fromkeys(LIMITS, "0"))
    try:
        yield
    finally:
        _set(schema_editor, dict(zip(LIMITS, before, strict=True)))


def _set(schema_editor: BaseDatabaseSchemaEditor, values: dict[str, str]) -> None:
    for name, value in values.items():
        schema_editor.execute(f"SET {name} = '{value}'")


def is_valid_index(schema_editor: BaseDatabaseSchemaEditor, name: str) -> bool:
    """Return whether PostgreSQL has the index; drop one that an interruption left invalid."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relname = %s AND pg_table_is_visible(pg_class.oid)",
            [name],
        )
        found = cursor.fetchone()
    if found == (False,):
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
    return bool(found == (True,))


def partitions_of(schema_editor: BaseDatabaseSchemaEditor, table: str) -> list[str]:
    """Return the partitions of a table; an empty list if it has none."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = to_regclass(%s) ORDER BY 1",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


class AddIndexGently(migrations.AddIndex):
    """Add an index to a table of this app, concurrently on PostgreSQL.

    PostgreSQL can't do that for a table with partitions. So each partition gets the index first,
    and the index of the table then takes those over without building anything.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.add_index(model, self.index)
            return
        table = model._meta.db_table
        partitions = partitions_of(schema_editor, table)
        with without_limits(schema_editor):
            for partition in partitions:
                index = self.index.clone()
                index.name = f"{partition}{self.index.name.removeprefix(table)}"
                if not is_valid_index(schema_editor, index.name):
                    statement = index.create_sql(model, schema_editor, concurrently=True)
                    statement.rename_table_references(table, partition)
                    schema_editor.execute(statement)
            if not partitions and not is_valid_index(schema_editor, self.index.name):
                schema_editor.add_index(model, self.index, concurrently=True)
        if partitions and not is_valid_index(schema_editor, self.index.name):
            schema_editor.add_index(model, self.index)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor != "postgresql":
            schema_editor.remove_index(model, self.index)
            return
        remove_gently(schema_editor, model, self.index)


def remove_gently(schema_editor: Any, model: Any, index: Any) -> None:
    """Drop an index concurrently, or one of a table with partitions, which only takes a moment."""
    if partitions_of(schema_editor, model._meta.db_table):
        schema_editor.remove_index(model, index)
        return
    with without_limits(schema_editor):
        schema_editor.remove_index(model, index, concurrently=True)


class RemoveIndexGently(migrations.RemoveIndex):
    """Remove an index of a table of this app, concurrently on PostgreSQL."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        remove_gently(schema_editor, model, index)
