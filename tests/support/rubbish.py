"""Store what a role with rights on rows can store: values that the app never writes."""

from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.utils import DatabaseError

DEEP = '{"a": ' * 5_000 + "1" + "}" * 5_000
JSON = ["[]", "[1]", '"x"', "null", "5", "{}", '{"a": 1}', '{"a": {"b": [{}]}}', "true"]
LONG_JSON = '{"users": [' + "1e131071, " * 8_300 + "1]}"
BIG, SMALL = 2**63 - 1, -(2**63)
# What PostgreSQL stores in a column of a type.
POSTGRESQL: dict[str, list[Any]] = {
    "timestamp with time zone": ["infinity", "-infinity", "12000-01-01", "0044-03-15 BC"],
    "jsonb": [*JSON, DEEP, LONG_JSON, '{"a": 1e5000}'],
    "inet": ["10.0.0.0/8", "::/0"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "boolean": [True, False],
    "bigint": [BIG, SMALL, 0, -1],
    "integer": [2**31 - 1, -(2**31), 0, -1],
    "text": ["", "x", "\x01", "\u202e", "a/b?c#d", "é" * 12],
}
# SQLite stores each of these in any column, as far as it has no condition.
SQLITE: list[str] = [
    "'x'", "''", "x'ff'", "CAST(x'ff' AS TEXT)", "1.5", "9e999", "0", "-1", str(BIG), str(SMALL),
    "'2020-13-45 00:00:00'", "'2020-02-31 00:00:00'", "'2020-01-01T00:00:00Z'", "'12000-01-01'",
    "zeroblob(20000)", "'00000000000000000000000000000000'", *(f"'{text}'" for text in JSON),
    """'{"a": 1e999}'""", """'{"a": "\\ud800"}'""",
]  # fmt: skip


# SQL and its parameters.
Value = tuple[str, list[Any]]


def values_for(field: "models.Field[Any, Any]") -> Iterator[Value]:
    """Yield SQL and its parameters for each value."""
    if connection.vendor != "postgresql":
        yield from ((value, []) for value in SQLITE)
        return
    kind = (field.db_type(connection) or "").partition("(")[0]
    for value in POSTGRESQL.get(kind, POSTGRESQL["text"]):
        yield "%s", [value]
    if field.null:
        yield "NULL", []


def overwrite(row: models.Model, field: "models.Field[Any, Any]", value: Value) -> bool:
    """Store ``value`` in a column of ``row``, and return whether the database took it."""
    quote, key, (sql, params) = connection.ops.quote_name, row._meta.pk, value
    table, column, key_column = map(quote, (row._meta.db_table, field.column, key.column))
    update = f"UPDATE {table} SET {column} = {sql} WHERE {key_column} = %s"
    return _is_taken(update, [*params, key.get_db_prep_value(row.pk, connection)])


def _is_taken(statement: str, params: list[Any]) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, params)
    except (IntegrityError, DatabaseError):
        return False
    return True


def spoil(row: models.Model) -> int:
    """Insert copies of ``row``, each with another value in a column. Return how many."""
    model, done = type(row), 0
    table = connection.ops.quote_name(model._meta.db_table)
    fields = [field for field in model._meta.concrete_fields if field.column]
    key = model._meta.pk
    automatic = isinstance(key, models.AutoField)
    fields = [field for field in fields if not (automatic and field is key)]
    for spoiled in fields:
        if getattr(spoiled, "db_constraint", False):
            continue
        for at, (sql, params) in enumerate(values_for(spoiled)):
            columns, marks, given = [], [], []
            for field in fields:
                columns.append(connection.ops.quote_name(field.column))
                if field is spoiled:
                    marks.append(sql)
                    given += params
                    continue
                value = field.get_db_prep_save(getattr(row, field.attname), connection)
                if field.unique and isinstance(value, str):
                    value = f"{value[:16]}{spoiled.column[:20]}{at}"
                elif field.unique:
                    value = 10_000 + done
                elif field.name in ("name",):
                    value = f"{spoiled.column} {at}"
                marks.append("%s")
                given.append(value)
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(marks)})"
            done += _is_taken(insert, given)
    return done
