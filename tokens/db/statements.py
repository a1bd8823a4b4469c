"""Run statements written by hand, for the few calls that every client waits for.

For these, building the text with the ORM takes longer than PostgreSQL needs to run the statement,
and planning it takes longer than running it. So the text is built once, and PostgreSQL prepares it:
psycopg prepares a statement that it has seen a few times (OPTIONS ``prepare_threshold``), provided
that the server binds the parameters, which Django's own cursors do not ask for.

Everything still goes through Django's cursor wrapper: transactions, `execute_wrapper`, the query
log and the translation of errors work as for any other statement.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import AutoField, CharField, Field, GenericIPAddressField, Model
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

if TYPE_CHECKING:
    import psycopg

# The values of a column have the type that its field says.
Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Sequence[Any]
AnyField: TypeAlias = "Field[Any, Any]"
M = TypeVar("M", bound=Model)


def fetch_one(sql: str, params: Params, *, binary: bool = False) -> Row | None:
    """Run ``sql`` and return its first row, or None."""
    return next(iter(fetch_all(sql, params, binary=binary)), None)


def fetch_all(sql: str, params: Params, *, binary: bool = False) -> list[Row]:
    """Run ``sql`` and return its rows.

    ``binary`` reads them in PostgreSQL's binary format, which needs no parsing in Python.
    `Columns.binary` says which columns allow it.
    """
    # `connection` looks the thread's connection up at each access; here once is enough.
    wrapper = connections[DEFAULT_DB_ALIAS]
    rows: list[Row]
    if wrapper.vendor != "postgresql":
        with wrapper.cursor() as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
            return rows
    # Like Django's own `_cursor`: reconnect if the server has closed a kept connection.
    wrapper.close_if_health_check_failed()
    wrapper.ensure_connection()
    bare = _cursors.get(wrapper.connection, sql, binary=binary)
    wrap = wrapper.make_debug_cursor if wrapper.queries_logged else wrapper.make_cursor
    wrap(bare).execute(sql, params)
    # The client has received the whole result by now, so no database error can follow.
    rows = bare.fetchall()
    return rows


class _Cursors(threading.local):
    """Keep one cursor for each statement on the thread's connection.

    A cursor remembers what psycopg has learnt about the statement's parameters and columns.
    """

    connection: "psycopg.Connection[Row] | None" = None

    def get(self, connection: "psycopg.Connection[Row]", sql: str, *, binary: bool) -> Any:
        if connection is not self.connection:
            self.connection = connection
            self.kept = dict[tuple[str, bool], "psycopg.Cursor[Row]"]()
        cursor = self.kept.get((sql, binary))
        if cursor is None:
            from psycopg import Cursor
            from psycopg.pq import Format

            cursor = self.kept[sql, binary] = Cursor(connection)
            cursor.format = Format.BINARY if binary else Format.TEXT
        return cursor


_cursors = _Cursors()
# Django's names of column types whose binary format psycopg reads as the field wants it. A user
# model of the host project may have others, such as JSON.
BINARY_TYPES = frozenset(
    {
        *("AutoField", "BigAutoField", "IntegerField", "BigIntegerField", "PositiveIntegerField"),
        "PositiveBigIntegerField",
        *("CharField", "TextField", "BooleanField", "DateTimeField", "UUIDField"),
        "GenericIPAddressField",
    }
)
# Column types for which psycopg takes the value of the instance without any preparation.
UNPREPARED_TYPES = frozenset(
    {"CharField", "TextField", "BooleanField", "DateTimeField", "UUIDField"}
)


def _column_type(field: AnyField) -> str:
    """Return Django's name of the column's type: for a foreign key, of the column it points to."""
    return getattr(field, "target_field", field).get_internal_type()


def _select(column: str, field: AnyField) -> str:
    """Select a column as Django does; an address as text, which is how Django reads it."""
    compiler = field.model._base_manager.all().query.get_compiler(connection=connection)
    sql, _no_params = field.get_col(field.model._meta.db_table).select_format(compiler, column, ())
    address = isinstance(field, GenericIPAddressField) and connection.vendor == "postgresql"
    return f"host({column})" if address else str(sql)


class Columns(Generic[M]):
    """List a model's columns in a statement, and make instances of the statement's rows.

    The fields named in ``without`` are deferred: they are loaded when they are first read.
    """

    def __init__(
        self, model: type[M], alias: str, *, without: frozenset[str] = frozenset()
    ) -> None:
        quote = connection.ops.quote_name
        # A multi-table parent has a table of its own; its fields are deferred too.
        fields = [f for f in model._meta.local_concrete_fields if f.name not in without]
        self.model = model
        self.sql = ", ".join(_select(f"{alias}.{quote(str(f.column))}", f) for f in fields)
        self.binary = all(_column_type(field) in BINARY_TYPES for field in fields)
        self.width = len(fields)
        self._names = [field.attname for field in fields]
        self._fast = self.binary and _can_skip_init(model)
        self._key = next(at for at, field in enumerate(fields) if field.primary_key)
        self._converters = [
            (at, convert, field) for at, field in enumerate(fields) for convert in converters(field)
        ]

    def instance(self, values: Sequence[object]) -> M | None:
        """Make an instance of a row's values; None if an outer join found no row."""
        row = list(values)
        if row[self._key] is None:
            return None
        for at, convert, field in self._converters:
            row[at] = convert(row[at], field, connection)
        if not self._fast:
            return self.model.from_db(DEFAULT_DB_ALIAS, self._names, row)
        instance = self.model.__new__(self.model)
        instance._state = ModelState()
        instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS
        instance.__dict__.update(zip(self._names, row, strict=True))
        return instance


def _can_skip_init(model: type[Model]) -> bool:
    """Tell whether setting the attributes has the same effect as calling `Model.__init__`.

    It has not if the model overrides `__init__` or `from_db`, or if a signal handler listens.
    """
    plain = (
        model.__init__ is Model.__init__ and model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]
    )
    return plain and not (pre_init.has_listeners(model) or post_init.has_listeners(model))


class RowInsert:
    """Insert one instance of ``model`` as a part of a larger statement (PostgreSQL).

    ``given`` maps column names to SQL that computes the value from another part of the statement.
    If ``source`` names a part, the row is only written if that part has a row.
    """

    def __init__(self, model: type[Model], *, source: str = "", **given: str) -> None:
        quote = connection.ops.quote_name
        fields = [f for f in model._meta.local_concrete_fields if not isinstance(f, AutoField)]
        bound = [field for field in fields if field.attname not in given]
        self._bound = [(field.attname, _preparation(field)) for field in bound]
        columns = ", ".join(quote(str(field.column)) for field in fields)
        values = ", ".join(given.get(field.attname) or _placeholder(field) for field in fields)
        origin = f" FROM {source}" if source else ""
        self.sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) SELECT {values}{origin}"

    def parameters(self, instance: Model) -> list[object]:
        """Return the parameters of the statement's part for one instance."""
        values = [(getattr(instance, name), prepare) for name, prepare in self._bound]
        return [
            value if prepare is None else prepare(value, connection) for value, prepare in values
        ]


def _preparation(field: AnyField) -> Callable[..., object] | None:
    return None if _column_type(field) in UNPREPARED_TYPES else field.get_db_prep_save


def _placeholder(field: AnyField) -> str:
    # PostgreSQL cannot infer the type of a parameter in a SELECT list, so it is cast.
    return "%s" if isinstance(field, CharField) else f"%s::{field.rel_db_type(connection)}"


def copy_of(instance: M) -> M:
    """Return a copy of an instance, like `copy.copy`, which would go through pickling for it."""
    copied = instance.__class__.__new__(instance.__class__)
    copied.__dict__.update(instance.__dict__)
    copied._state = ModelState()
    copied._state.adding, copied._state.db = instance._state.adding, instance._state.db
    copied._state.fields_cache = instance._state.fields_cache.copy()
    return copied


def mark_written(instance: Model, key: object) -> None:
    """Set on ``instance`` what `Model.save` sets after an INSERT: the key and the state."""
    instance.pk = key
    instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS


def converters(field: AnyField) -> list[Callable[..., object]]:
    """Return the functions that convert a column's raw value for the field.

    PostgreSQL needs none for most fields, SQLite several.
    """
    column = field.get_col(field.model._meta.db_table)
    own: list[Callable[..., object]] = column.get_db_converters(connection)
    return connection.ops.get_db_converters(column) + own


def read_datetime(value: object, field: AnyField) -> datetime | None:
    """Convert a computed datetime, such as a subquery's, like a column of ``field``."""
    for convert in converters(field):
        value = convert(value, field, connection)
    return value if isinstance(value, datetime) else None
