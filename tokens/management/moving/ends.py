"""Prepare the two ends of a move: the source, which nothing may write, and the target."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from tokens.audit import guards
from tokens.db import revocation_feed, session_origins, unfinished_move
from tokens.management.moving.rows import unmovable
from tokens.management.moving.tables import Table
from tokens.models import FeedEntry
from tokens.revocation import deactivation

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# Each has the functions `drop` and `install` for triggers. They would write rows of their own, and
# refuse some that are copied.
TRIGGERS: tuple[ModuleType, ...] = (guards, deactivation, session_origins, revocation_feed)
# What the app keeps beside the tables of its models.
OWN_TABLES = {"django_migrations", guards.PERMISSION, unfinished_move.TABLE}
LOCK_SECONDS = 10


def connect(target: "BaseDatabaseWrapper") -> None:
    """Connect to the target. A new file of SQLite may be read by its owner alone."""
    name = str(target.settings_dict["NAME"])
    try:
        if target.vendor == "sqlite" and not _is_in_memory(name):
            with suppress(FileExistsError):
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        target.ensure_connection()
        table_names(target)
    except OSError as error:
        raise CommandError(f"The target {name}: {error.strerror}.") from error
    except Error as error:
        # The text of the driver names the server, and no password.
        raise CommandError(f"The target can't be used: {str(error).splitlines()[0]}") from error


def _is_in_memory(name: str) -> bool:
    return name == ":memory:" or name.startswith("file:")


def mark(target: "BaseDatabaseWrapper") -> None:
    """Mark the target as one that is not whole."""
    try:
        unfinished_move.begin(target)
    except Error as error:
        said = str(error).splitlines()[0]
        raise CommandError(f"No table can be created in the target: {said}") from error


@contextmanager
def locked(source: "BaseDatabaseWrapper", tables: Iterable[Table]) -> Iterator[None]:
    """Let nothing write to the source until the block ends."""
    with ExitStack() as stack:
        try:
            _begin(source, stack, mode="IMMEDIATE")
            if source.vendor == "postgresql":
                names = ", ".join(source.ops.quote_name(table.name) for table in tables)
                with source.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                    cursor.execute(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE")
        except OperationalError as error:
            if "lock" not in str(error):
                raise
            message = "The source is being written. Stop the portal and its timers first."
            raise CommandError(message) from error
        yield


@contextmanager
def unlocked(source: "BaseDatabaseWrapper") -> Iterator[None]:
    """Read the source as it is now, while others write to it."""
    with ExitStack() as stack:
        _begin(source, stack, mode="DEFERRED")
        if source.vendor == "postgresql":
            with source.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _begin(source: "BaseDatabaseWrapper", stack: ExitStack, *, mode: str) -> None:
    """Begin a transaction that the stack ends. ``mode`` is for SQLite."""
    source.ensure_connection()
    if source.vendor == "sqlite":
        source.transaction_mode = mode  # type: ignore[attr-defined]  # not in the stubs
    stack.enter_context(transaction.atomic(using=source.alias))
    _set_up(source)


@contextmanager
def writing(target: "BaseDatabaseWrapper") -> Iterator[None]:
    """Open a transaction on the target."""
    with transaction.atomic(using=target.alias):
        _set_up(target)
        yield


def _set_up(connection: "BaseDatabaseWrapper") -> None:
    """Lift the timeouts of PostgreSQL until the transaction ends, and fix how it prints values."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET LOCAL {name} = 0")
        cursor.execute("SET LOCAL datestyle = 'ISO'")
        cursor.execute("SET LOCAL bytea_output = 'hex'")
        cursor.execute("SET LOCAL extra_float_digits = 1")


@contextmanager
def as_default(target: "BaseDatabaseWrapper") -> Iterator[None]:
    """Have all code of the app use the target, as it will once the move has ended."""
    source = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = target
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = source
        ContentType.objects.clear_cache()


def check_source(source: "BaseDatabaseWrapper", tables: Iterable[Table]) -> None:
    """Refuse a source that is not whole."""
    if unfinished_move.is_unfinished(source):
        raise CommandError("The source is itself the target of a move that has not ended.")
    executor = MigrationExecutor(source)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CommandError("The source lacks migrations: run manage.py migrate first.")
    present = table_names(source)
    if missing := sorted(table.name for table in tables if table.name not in present):
        raise CommandError(f"The source has no table {missing[0]}, which a model needs.")


def left_behind(source: "BaseDatabaseWrapper", tables: Iterable[Table]) -> list[str]:
    """Return the tables of the source that no model has. They are not moved."""
    return sorted(table_names(source) - {table.name for table in tables} - OWN_TABLES)


def table_names(connection: "BaseDatabaseWrapper") -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def fill_with_tables(target: "BaseDatabaseWrapper", tables: list[Table]) -> None:
    """Create the tables of the target, without rows and without triggers.

    An earlier attempt may have been interrupted anywhere: what it created is dropped first.
    """
    quote = target.ops.quote_name
    ours = {table.name for table in tables} | OWN_TABLES - {unfinished_move.TABLE}
    with target.constraint_checks_disabled(), target.cursor() as cursor:
        for name in sorted(ours & table_names(target)):
            cascade = " CASCADE" if target.vendor == "postgresql" else ""
            cursor.execute(f"DROP TABLE {quote(name)}{cascade}")
    with as_default(target):
        call_command("migrate", database=target.alias, verbosity=0, interactive=False)


def empty(target: "BaseDatabaseWrapper", groups: list[list[Table]]) -> None:
    """Drop the triggers, and delete the rows that migrations have inserted."""
    for module in TRIGGERS:
        module.drop(target)
    quote = target.ops.quote_name
    with target.cursor() as cursor:
        for group in reversed(groups):
            for table in group:
                cursor.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608


def continue_numbers(
    source: "BaseDatabaseWrapper", target: "BaseDatabaseWrapper", tables: Iterable[Table]
) -> None:
    """Have the target give later numbers than the source has, also to rows that are gone."""
    for table in tables:
        if table.numbers_itself and (last := _last_number(source, table)) is not None:
            _set_number(target, table, last)


def _last_number(source: "BaseDatabaseWrapper", table: Table) -> int | None:
    quote = source.ops.quote_name
    name, key = table.name, table.key[0].name
    if source.vendor == "postgresql":
        sequence = "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass)"
        given = [quote(name), key]
    else:
        sequence, given = "SELECT max(seq) FROM sqlite_sequence WHERE name = %s", [name]
    with source.cursor() as cursor:
        cursor.execute(sequence, given)
        (last,) = cursor.fetchone()
        if last is None:
            cursor.execute(f"SELECT max({quote(key)}) FROM {quote(name)}")  # noqa: S608
            (last,) = cursor.fetchone()
    return None if last is None else int(last)


def _set_number(target: "BaseDatabaseWrapper", table: Table, last: int) -> None:
    quote = target.ops.quote_name
    with target.cursor() as cursor:
        if target.vendor == "postgresql":
            sequence = "SELECT setval(pg_get_serial_sequence(%s, %s)::regclass, %s, %s)"
            cursor.execute(sequence, [quote(table.name), table.key[0].name, max(last, 1), last > 0])
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table.name])
        cursor.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, last]
        )


def finish(target: "BaseDatabaseWrapper") -> None:
    """Create the triggers and remove the mark, both or neither."""
    with writing(target):
        if target.vendor == "postgresql":
            # A cursor of the feed that this server gave before finds every entry.
            feed = target.ops.quote_name(FeedEntry._meta.db_table)
            number = revocation_feed.PG_TRANSACTION
            with target.cursor() as cursor:
                cursor.execute(f'UPDATE {feed} SET "transaction" = {number}')  # noqa: S608
        for module in TRIGGERS:
            module.install(target)
        unfinished_move.finish(target)


def analyze(target: "BaseDatabaseWrapper", tables: Iterable[Table]) -> None:
    """Tell the planner of PostgreSQL about the rows, without which first pages would be slow."""
    if target.vendor == "postgresql":
        with writing(target), target.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ANALYZE {target.ops.quote_name(table.name)}")


def check_references(source: "BaseDatabaseWrapper", tables: Iterable[Table]) -> None:
    """Refuse a row of SQLite that refers to a missing row: another program may have written it."""
    if source.vendor != "sqlite":
        return
    known = {table.name: table for table in tables}
    with source.cursor() as cursor:
        cursor.execute("PRAGMA foreign_key_check")
        for name, rowid, referred, _constraint in cursor:
            if table := known.get(name):
                key = ", ".join(source.ops.quote_name(column.name) for column in table.key)
                query = f"SELECT {key} FROM {source.ops.quote_name(name)} WHERE rowid = %s"  # noqa: S608
                with source.cursor() as found:
                    found.execute(query, [rowid])
                    why = f"refers to a row of {referred} that does not exist"
                    raise unmovable(table, found.fetchone(), why)
