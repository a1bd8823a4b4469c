"""Read, write, count and compare rows."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.management.base import CommandError
from django.db import DataError, IntegrityError

from tokens.db.event_ids import HIGHEST
from tokens.management.moving.tables import Column, Table
from tokens.management.moving.values import Unmovable, Value, decode

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

Row: TypeAlias = tuple[Value, ...]
# A batch ends with either of these.
BATCH_ROWS, BATCH_BYTES = 5_000, 8 * 2**20
LONGEST_KEY = 80


def unmovable(table: Table, key: Sequence[object], why: str) -> CommandError:
    """Name a row that the other database can't hold."""
    shown = ", ".join(
        f"{column.name} {value if type(value) is int else str(value)[:LONGEST_KEY]!r}"
        for column, value in zip(table.key, key, strict=True)
    )
    return CommandError(
        f"{table.name}, {shown}: {why}. Repair or delete this row in the source, and run "
        "move_database again."
    )


@dataclass(frozen=True, slots=True)
class Sum:
    """The number of rows of a table, and a checksum that their order does not change."""

    rows: int
    checksum: str


@contextmanager
def raw_texts(connection: "BaseDatabaseWrapper") -> Iterator[None]:
    """Have SQLite return texts that are not UTF-8 too."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    driver = connection.connection
    before, driver.text_factory = driver.text_factory, decode
    try:
        yield
    finally:
        driver.text_factory = before


def read(
    connection: "BaseDatabaseWrapper",
    table: Table,
    *,
    to: str = "",
    after: Sequence[Value] = (),
    ordered: bool = False,
    refused: Callable[[CommandError], None] | None = None,
) -> Iterator[Row]:
    """Yield the rows, or those with a key after ``after``, in the order of their keys.

    For the source, ``to`` is the vendor of the other database. A row that it can't hold is raised
    as a `CommandError`, or given to ``refused`` and left out.
    """
    sqlite = connection.vendor == "sqlite"
    stored = _from_sqlite if sqlite else _from_postgresql
    parsers = [c.kind.from_sqlite if sqlite else c.kind.from_postgresql for c in table.columns]
    highest = HIGHEST if to == "sqlite" and table.numbers_itself else None
    for values in stored(connection, table, to, after, ordered):
        try:
            row = tuple([
                None if value is None else parse(value)
                for parse, value in zip(parsers, values, strict=True)
            ])  # fmt: skip
        except (Unmovable, ValueError):
            why = _what_is_wrong(table, parsers, values)
            problem = unmovable(table, key_of(table, values), why)
        else:
            if highest is None or key_of(table, row) <= [highest]:
                yield row
                continue
            problem = unmovable(table, key_of(table, row), "SQLite could number no later row")
        if refused is None:
            raise problem
        refused(problem)


def key_of(table: Table, row: Sequence[Any]) -> list[Any]:
    """Return the key of a row."""
    return [row[table.columns.index(column)] for column in table.key]


def _what_is_wrong(table: Table, parsers: list[Any], values: Sequence[Any]) -> str:
    for column, parse, value in zip(table.columns, parsers, values, strict=True):
        try:
            if value is not None:
                parse(value)
        except (Unmovable, ValueError) as error:
            why = str(error) if isinstance(error, Unmovable) else "can't be read"
            return f"{column.name} {why}"
    raise AssertionError("every value was read")


def _from_sqlite(
    connection: "BaseDatabaseWrapper", table: Table, to: str, after: Sequence[Value], ordered: bool
) -> Iterator[Sequence[Any]]:
    quote = connection.ops.quote_name
    # The driver knows the type of a bare column, and would convert its values.
    columns = ", ".join(
        f"+{column.moved if to and column.moved else quote(column.name)}"
        for column in table.columns
    )
    key = _key_names(connection, table)
    where = f" WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
    order = f" ORDER BY {key}" if ordered else ""
    sql = f"SELECT {columns} FROM {quote(table.name)}{where}{order}"  # noqa: S608
    connection.ensure_connection()
    with connection.wrap_database_errors:
        yield from connection.connection.execute(sql, after)


def _from_postgresql(
    connection: "BaseDatabaseWrapper", table: Table, to: str, after: Sequence[Value], ordered: bool
) -> Iterator[Sequence[Any]]:
    """Yield what PostgreSQL prints. It sends one row after the other, of whatever length."""
    from psycopg.sql import Literal

    quote = connection.ops.quote_name
    columns = ", ".join(
        column.moved if to and column.moved else column.kind.select(quote(column.name))
        for column in table.columns
    )
    key = _key_names(connection, table)
    where = ""
    with connection.cursor() as cursor:
        if after:
            literals = ", ".join(
                Literal(column.kind.to_postgresql(value)).as_string(cursor.connection)
                for column, value in zip(table.key, after, strict=True)
            )
            where = f" WHERE ({key}) > ({literals})"
        order = f" ORDER BY {key}" if ordered else ""
        query = f"SELECT {columns} FROM {quote(table.name)}{where}{order}"  # noqa: S608
        with connection.wrap_database_errors, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            yield from copy.rows()


def _key_names(connection: "BaseDatabaseWrapper", table: Table) -> str:
    return ", ".join(connection.ops.quote_name(column.name) for column in table.key)


def batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield the rows in batches of a bounded size."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum([len(value) for value in row if isinstance(value, str | bytes)])
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def write(connection: "BaseDatabaseWrapper", table: Table, rows: list[Row]) -> None:
    """Insert rows. The caller is in a transaction."""
    try:
        _write(connection, table, rows)
    except (DataError, IntegrityError) as error:
        # The text of the driver repeats values of the row.
        cause = error.__cause__
        by = getattr(getattr(cause, "diag", None), "constraint_name", None)
        raise CommandError(
            f"{table.name}: the target refuses a row{f' because of {by}' if by else ''} "
            f"({type(cause).__name__}). Repair it in the source, and run move_database again."
        ) from error


def _write(connection: "BaseDatabaseWrapper", table: Table, rows: list[Row]) -> None:
    quote = connection.ops.quote_name
    names = ", ".join(quote(column.name) for column in table.columns)
    if connection.vendor == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        sql = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})"  # noqa: S608
        with connection.wrap_database_errors:
            connection.connection.executemany(sql, rows)
        return
    writers = [column.kind.to_postgresql for column in table.columns]
    sql = f"COPY {quote(table.name)} ({names}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row([
                None if value is None else written(value)
                for written, value in zip(writers, row, strict=True)
            ])  # fmt: skip


def count(connection: "BaseDatabaseWrapper", table: Table) -> tuple[int, object]:
    """Return the number of rows, and a key that is the highest in some order."""
    quote = connection.ops.quote_name
    key = quote(table.key[0].name)
    # PostgreSQL has no highest UUID, but a highest text.
    highest = f"max({key}::text)" if connection.vendor == "postgresql" else f"max({key})"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {highest} FROM {quote(table.name)}")  # noqa: S608
        number, last = cursor.fetchone()
        return int(number), last


def add_up(rows: Iterable[Row], columns: Sequence[Column]) -> Sum:
    """Return the number of the rows and their checksum."""
    same = [(at, column.kind.same) for at, column in enumerate(columns) if column.kind.same]
    number = total = 0
    for row in rows:
        if same:
            values = list(row)
            for at, spelled in same:
                if values[at] is not None:
                    values[at] = spelled(values[at])
            row = tuple(values)
        digest = hashlib.sha256(repr(row).encode()).digest()
        total += int.from_bytes(digest, "big")
        number += 1
    return Sum(number, f"{total % 2**256:064x}")
