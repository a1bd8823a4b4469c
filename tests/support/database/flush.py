"""Empty the database after a transactional test, faster than Django's ``flush`` command.

``flush`` truncates every table and creates all permissions again, which takes a third of a second
on PostgreSQL. `flush` deletes the rows of the tables that have some, in one transaction. Content
types, permissions and groups come from the migrations and stay; if a test changed one of them,
Django's command runs instead, and they are written again as they were.
"""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

from tokens.audit import guards

FROM_MIGRATIONS = (
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
)
_migrated: list[Any] = []


def patch() -> None:
    """Let every transactional test end with `flush`."""
    TransactionTestCase._fixture_teardown = lambda _test: flush()  # type: ignore[attr-defined]


def remember_migrated_rows() -> None:
    """Note the rows that the migrations made; call it before the first test."""
    _migrated[:] = _rows_from_migrations()


def flush() -> None:
    if _rows_from_migrations() == _migrated:
        _delete_rows()
    else:
        _flush_all()


def _rows_from_migrations() -> list[Any]:
    with connection.cursor() as cursor:
        rows: list[Any] = []
        for table in FROM_MIGRATIONS:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows.append(cursor.fetchall())
        return rows


def _delete_rows() -> None:
    tables = set(connection.introspection.django_table_names(only_existing=False))
    # Django checks foreign keys when the transaction commits, so any order of tables will do.
    with guards.deletion_allowed(), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})"
                for table in sorted(tables.difference(FROM_MIGRATIONS))
            )
        )
        filled = {table for (table,) in cursor.fetchall()}
        # Only a seal can't be deleted without this, which takes longer than all the rest.
        sealed = guards.SEALS in filled
        if sealed:
            guards.drop(connection)
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")
        # A trigger has just filled it.
        cursor.execute("DELETE FROM tokens_feedentry")
        if sealed:
            guards.install(connection)


def _flush_all() -> None:
    guards.drop(connection)
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
    guards.install(connection)
    _restore_rows()
    ContentType.objects.clear_cache()


def _restore_rows() -> None:
    """Write the rows again with their ids, which a served portal remembers of content types."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in FROM_MIGRATIONS:
            cursor.execute(f"DELETE FROM {table}")
        for table, rows in zip(FROM_MIGRATIONS, _migrated, strict=True):
            places = ", ".join(["%s"] * len(rows[0])) if rows else ""
            cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
