"""Insert the rows of `bench.fill.rows` into a database, fast."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, transaction

from bench.fill.rows import Rows

Say = Callable[[str], None]
BATCH = 10_000


def load(every: Iterable[Rows], *, say: Say, rows_from: str = "", bare: bool = False) -> None:
    """Insert the rows of a plan.

    ``bare`` drops constraints and indexes first and creates them again afterwards, which makes ten
    million rows a matter of minutes. SQLite lacks the functions that the SELECTs need, so its rows
    come from the PostgreSQL server at ``rows_from``.
    """
    every = list(every)
    if connection.vendor != "postgresql":
        _load_sqlite(every, say, rows_from)
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '1GB'")
    with _without_indexes([rows.table for rows in every], say, bare):
        for rows in every:
            with _timed(f"rows of {rows.table}", say), connection.cursor() as cursor:
                columns = ", ".join(f'"{name}"' for name in rows.columns)
                cursor.execute(f"INSERT INTO {rows.table} ({columns}) {rows.select}")
    with _timed("statistics", say), connection.cursor() as cursor:
        for rows in every:
            own_id(cursor, rows.table)
            cursor.execute(f"VACUUM (ANALYZE) {rows.table}")


def highest(table: str, column: str = "id") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max({column}), 0) FROM {table}")
        return int(cursor.fetchone()[0])


@contextmanager
def _timed(what: str, say: Say) -> Iterator[None]:
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:8.1f} s  {what}")


def own_id(cursor: Any, table: str) -> None:
    """Advance the sequence of a table, if it has one, past the ids that were inserted."""
    cursor.execute(
        "SELECT pg_get_serial_sequence(%s, 'id') FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attname = 'id'",
        [table, table],
    )
    if (row := cursor.fetchone()) and row[0]:
        cursor.execute(f"SELECT setval('{row[0]}', (SELECT max(id) FROM {table}))")


@contextmanager
def _without_indexes(tables: list[str], say: Say, bare: bool) -> Iterator[None]:
    if not bare:
        with transaction.atomic():
            yield
        return
    quoted = ", ".join(f"'{table}'::regclass" for table in tables)
    with connection.cursor() as cursor:
        # Foreign keys are dropped first, so they are created last.
        cursor.execute(
            "SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid)"
            f" FROM pg_constraint WHERE contype IN ('f', 'p', 'u') AND (conrelid IN ({quoted})"
            f" OR contype = 'f' AND confrelid IN ({quoted}))"
            " ORDER BY contype = 'f' DESC, contype, conname"
        )
        constraints = cursor.fetchall()
        cursor.execute(
            "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index"
            f" WHERE indrelid IN ({quoted}) AND NOT EXISTS"
            " (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')"
        )
        indexes = cursor.fetchall()
        for table, name, _ in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        with _timed("indexes", say), connection.cursor() as cursor:
            for _, definition in indexes:
                cursor.execute(definition)
            for table, name, definition in reversed(constraints):
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _load_sqlite(every: list[Rows], say: Say, rows_from: str) -> None:
    with psycopg.connect(rows_from) as source, transaction.atomic():
        for number, rows in enumerate(every):
            with _timed(f"rows of {rows.table}", say), source.cursor(f"rows{number}") as stream:
                stream.itersize = BATCH
                columns = ", ".join(f'"{name}"' for name in rows.columns)
                marks = ", ".join("?" for _ in rows.columns)
                stream.execute(rows.select.encode())
                connection.ensure_connection()
                connection.connection.executemany(
                    f"INSERT INTO {rows.table} ({columns}) VALUES ({marks})",
                    (tuple(map(_for_sqlite, row)) for row in stream),
                )
    with _timed("statistics", say), connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _for_sqlite(value: Any) -> Any:
    """Convert a value to the form that Django's SQLite backend stores."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, dict):
        return json.dumps(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
