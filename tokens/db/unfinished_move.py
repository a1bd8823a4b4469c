"""Mark a database that `move_database` has not filled yet.

The mark is a table that exists only while the move lasts, so that no release needs a migration for
it. It also keeps how far the move is: each row has a name and a text.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

TABLE = "tokens_unfinished_move"
EXISTS = {
    "postgresql": f"SELECT 1 WHERE to_regclass('{TABLE}') IS NOT NULL",
    "sqlite": f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'",  # noqa: S608
}


def is_unfinished(connection: "BaseDatabaseWrapper") -> bool:
    """Return whether the database is the target of a move that has not ended."""
    if connection.vendor not in EXISTS or _is_missing_file(connection):
        return False
    with connection.cursor() as cursor:
        cursor.execute(EXISTS[connection.vendor])
        return cursor.fetchone() is not None


def _is_missing_file(connection: "BaseDatabaseWrapper") -> bool:
    """Tell whether to connect would create a SQLite file, which must not happen by looking."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return False
    return not Path(connection.settings_dict["NAME"]).exists()


def begin(connection: "BaseDatabaseWrapper") -> None:
    """Mark the database."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (name varchar(200) PRIMARY KEY, value text NOT NULL)")


def finish(connection: "BaseDatabaseWrapper") -> None:
    """Remove the mark."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def forget(connection: "BaseDatabaseWrapper") -> None:
    """Remove what was noted. The database stays marked."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608  (a constant)


def kept(connection: "BaseDatabaseWrapper") -> dict[str, str]:
    """Return what was noted, by name."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, value FROM {TABLE}")  # noqa: S608  (a constant)
        return dict(cursor.fetchall())


def note(connection: "BaseDatabaseWrapper", name: str, value: str) -> None:
    """Note a text under a name, in place of an earlier one."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (name, value) VALUES (%s, %s) "  # noqa: S608  (a constant)
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )
