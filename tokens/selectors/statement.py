"""Statements written by hand, for the few calls that every user waits for.

The ORM spends more time making the text of such a statement than the database does answering it,
and the database more on planning it than on running it. So the text is made once, and on
PostgreSQL a server-side prepared statement is used: psycopg prepares what it has seen a few
times (OPTIONS ``prepare_threshold``), but only where the parameters are bound by the server, which
Django's own cursors do not do.

Everything still goes through Django's cursor wrapper: transactions, `execute_wrapper`, the query
log and the translation of errors work as for any other statement.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import AutoField, CharField, Field, GenericIPAddressField, Model
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init


def fetch_one(sql: str, params: Sequence[Any], *, binary: bool = False) -> tuple[Any, ...] | None:
    """The first row of ``sql``, or None."""
    return next(iter(fetch_all(sql, params, binary=binary)), None)


def fetch_all(sql: str, params: Sequence[Any], *, binary: bool = False) -> list[tuple[Any, ...]]:
    """The rows of ``sql``. ``binary`` asks PostgreSQL for values that need no parsing: what it
    may be for, `Columns.plain` says."""
    # The proxy looks the thread's connection up at each touch; once is enough.
    own = connections[DEFAULT_DB_ALIAS]
    rows: list[tuple[Any, ...]]
    if own.vendor != "postgresql":
        with own.cursor() as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
            return rows
    # As Django's own `_cursor` does: a kept connection that the server has closed is made anew.
    own.close_if_health_check_failed()
    own.ensure_connection()
    bare = _cursors.of(own.connection, sql, binary=binary)
    wrap = own.make_debug_cursor if own.queries_logged else own.make_cursor
    wrap(bare).execute(sql, params)
    # The answer is here as a whole: nothing can go wrong from here on that needs translating.
    rows = bare.fetchall()
    return rows


class _Cursors(threading.local):
    """A cursor for each statement, on the connection that the thread uses: it keeps what psycopg
    has found out about the statement's parameters and columns."""

    connection: Any = None

    def of(self, connection: Any, sql: str, *, binary: bool) -> Any:
        from psycopg import Cursor
        from psycopg.pq import Format

        if connection is not self.connection:
            self.connection, self.kept = connection, dict[tuple[str, bool], Any]()
        cursor = self.kept.get((sql, binary))
        if cursor is None:
            cursor = self.kept[sql, binary] = Cursor(connection)
            cursor.format = Format.BINARY if binary else Format.TEXT
        return cursor


_cursors = _Cursors()
PLAIN = frozenset(
    {
        *("AutoField", "BigAutoField", "IntegerField", "BigIntegerField", "PositiveIntegerField"),
        *("CharField", "TextField", "BooleanField", "DateTimeField", "UUIDField"),
        "GenericIPAddressField",
    }
)
# Of these PostgreSQL takes a value as the instance has it.
AS_IT_IS = frozenset({"CharField", "TextField", "BooleanField", "DateTimeField", "UUIDField"})


def _stored_as(field: "Field[Any, Any]") -> str:
    """Under which of Django's names a database knows the field's column."""
    return getattr(field, "target_field", field).get_internal_type()


def _read(column: str, field: "Field[Any, Any]") -> str:
    """The column, an address as the text that Django reads it as."""
    address = isinstance(field, GenericIPAddressField) and connection.vendor == "postgresql"
    return f"host({column})" if address else column


class Columns:
    """The columns of a model in a statement, and its instances out of the statement's rows.
    Columns ``without`` which it does stay deferred, and load when somebody reads them."""

    def __init__(
        self, model: type[Model], alias: str, *, without: frozenset[str] = frozenset()
    ) -> None:
        quote = connection.ops.quote_name
        # A parent's columns stand in another table: those are deferred too.
        fields = [f for f in model._meta.local_concrete_fields if f.name not in without]
        self.model = model
        self.sql = ", ".join(_read(f"{alias}.{quote(str(f.column))}", f) for f in fields)
        # Whether all the values come out of PostgreSQL's binary form as their fields want them. A
        # project's own user model may hold others, such as JSON, which would not.
        self.plain = all(_stored_as(field) in PLAIN for field in fields)
        self.width = len(fields)
        self._names = [field.attname for field in fields]
        self._bare = self.plain and _made_plainly(model)
        self._key = next(at for at, field in enumerate(fields) if field.primary_key)
        self._converters = [
            (at, convert, field) for at, field in enumerate(fields) for convert in converters(field)
        ]

    def instance(self, values: Sequence[Any]) -> Any:
        """None where an outer join found no row."""
        row = list(values)
        if row[self._key] is None:
            return None
        for at, convert, field in self._converters:
            row[at] = convert(row[at], field, connection)
        if not self._bare:
            return self.model.from_db(connection.alias, self._names, row)
        made = self.model.__new__(self.model)
        made._state = ModelState()
        made._state.adding, made._state.db = False, connection.alias
        made.__dict__.update(zip(self._names, row, strict=True))
        return made


def _made_plainly(model: type[Model]) -> bool:
    """Whether a row's values may be put straight where `Model.__init__` would put them, one by one
    and past all that could take part: nothing does."""
    as_django_does = (
        model.__init__ is Model.__init__ and model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]
    )
    return as_django_does and not (pre_init.has_listeners(model) or post_init.has_listeners(model))


class RowInsert:
    """An INSERT of one instance of ``model``, as a part of a larger statement: what that writes is
    then written, or refused, as one. PostgreSQL.

    ``given`` names columns whose value another part of the statement makes, and how; the row is
    only written if ``source``, where there is one, has a row.
    """

    def __init__(self, model: type[Model], *, source: str = "", **given: str) -> None:
        quote = connection.ops.quote_name
        fields = [f for f in model._meta.local_concrete_fields if not isinstance(f, AutoField)]
        asked = [field for field in fields if field.attname not in given]
        self._asked = [(field.attname, _preparing(field)) for field in asked]
        columns = ", ".join(quote(str(field.column)) for field in fields)
        values = ", ".join(given.get(field.attname) or _mark(field) for field in fields)
        origin = f" FROM {source}" if source else ""
        self.sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) SELECT {values}{origin}"

    def parameters(self, instance: Model) -> list[Any]:
        values = [(getattr(instance, name), prepare) for name, prepare in self._asked]
        return [
            value if prepare is None else prepare(value, connection) for value, prepare in values
        ]


def _preparing(field: "Field[Any, Any]") -> Any | None:
    """What makes the field's value one of the database's, or None where it is one as it is."""
    return None if _stored_as(field) in AS_IT_IS else field.get_db_prep_save


def _mark(field: "Field[Any, Any]") -> str:
    # A parameter of a SELECT has no column whose type it could take.
    return "%s" if isinstance(field, CharField) else f"%s::{field.rel_db_type(connection)}"


def mark_written(instance: Model, key: Any) -> None:
    """What `Model.save` would have noted: ``instance`` is a row by now, and this is its key."""
    instance.pk = key
    instance._state.adding, instance._state.db = False, connection.alias


def converters(field: "Field[Any, Any]") -> list[Any]:
    """What turns a column's raw value into the field's: nothing at all on PostgreSQL for most
    fields, several on SQLite."""
    column = field.get_col(field.model._meta.db_table)
    own: list[Any] = column.get_db_converters(connection)
    return connection.ops.get_db_converters(column) + own


def as_instant(value: Any, field: "Field[Any, Any]") -> datetime | None:
    """A computed instant, such as a subquery's, read like a column of ``field``."""
    for convert in converters(field):
        value = convert(value, field, connection)
    return value  # type: ignore[no-any-return]
