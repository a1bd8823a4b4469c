"""Fields that can be read whatever has been stored in their columns.

A role with rights on rows may store values that Python can't hold: an infinite time, JSON of any
depth, or, on SQLite, bytes in any column. Without these fields, one such row would be an error on
each page and in each export that contains it. `tokens.audit.canonical` tells which events they are.

The columns are those of Django's fields, so that no migration is needed.
"""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from json.decoder import JSONDecoder
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.expressions import Col
from django.db.models.fields.json import KeyTransform

from tokens.db.printable import DEEPEST, LONGEST, is_printable, octets
from tokens.models.address import AddressField, SameColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import BaseExpression
    from django.db.models.sql.compiler import SQLCompiler

    Params = Sequence[Any]
    Sql = tuple[str, tuple[Any, ...]]

# A time that can't be read is read as one of these, whichever is nearer. They are a day away from
# the limits of Python, so that every time zone can show the times between them.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
# More bytes than an address has.
LONGEST_ADDRESS = 64
# No request can carry a token that is longer.
LONGEST_TEXT = 2**17
# A seal has eight bytes in a column for each of 10,000 events; a protected key has fewer.
LONGEST_BINARY = 2**18
# The member of an object in place of JSON that can't be read.
UNREADABLE = "unreadable"


def is_readable(at: datetime) -> bool:
    """Return whether ``at`` is a stored time, and not in place of one that can't be read."""
    return EARLIEST < at < LATEST


def after(at: datetime, delta: timedelta) -> datetime:
    """Return the instant that much later than ``at``, at most `LATEST`."""
    return at + delta if at < LATEST - delta else LATEST


def read_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in ``text``, or None if it holds none that every format can show.

    That excludes deep ones, numbers that are too long or infinite, and halves of characters.
    """
    value = _read(text)
    return value if isinstance(value, dict) else None


def _read(text: str) -> dict[str, Any] | list[Any] | None:
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict | list):
        return None
    may_be_deep = text.count("{") + text.count("[") > DEEPEST
    return None if may_be_deep and _is_deep(value) else value


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("the number is infinite")
    return number


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


_DECODER = JSONDecoder(parse_float=_finite, parse_constant=_refuse)


def _is_deep(value: dict[str, object] | list[object]) -> bool:
    level: list[dict[str, object] | list[object]] = [value]
    for _ in range(DEEPEST):
        held = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for items in held for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def text_of(value: Any) -> Any:
    """Return a stored text, which SQLite returns as bytes, with a mark for each wrong byte."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _as_bytes(compiler: "SQLCompiler", sql: str, params: "Params", longest: int) -> "Sql":
    """Have SQLite return the first bytes: its driver can't read a text that is no UTF-8."""
    if compiler.connection.vendor == "postgresql":
        return sql, tuple(params)
    read = f"CAST({sql} AS BLOB)"
    # The part of no bytes is NULL.
    formatted = (
        f"CASE WHEN {octets(sql)} > {longest} THEN substr({read}, 1, {longest}) ELSE {read} END"
    )
    return formatted, (*params,) * formatted.count(sql)


class _Decoded(SameColumn):
    def get_db_converters(self, connection: "BaseDatabaseWrapper") -> list[Any]:
        """Return what makes a text of the bytes that SQLite returns."""
        return [] if connection.vendor == "postgresql" else [self.decode]

    def decode(self, value: Any, _expression: object, _connection: object) -> Any:
        """Return the text, with a mark for each wrong byte."""
        return text_of(value)


class ReadableCharField(_Decoded, models.CharField):  # type: ignore[type-arg]
    """Read any text, up to the length of the column."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        # A character has up to four bytes.
        return _as_bytes(compiler, sql, params, 4 * (self.max_length or LONGEST))


class ReadableTextField(_Decoded, models.TextField):  # type: ignore[type-arg]
    """Read any text, up to `LONGEST_TEXT` characters."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor != "postgresql":
            return _as_bytes(compiler, sql, params, LONGEST_TEXT)
        # The length is known without reading a text that is stored in parts.
        formatted = (
            f"CASE WHEN octet_length({sql}) > {LONGEST_TEXT} THEN left({sql}, {LONGEST_TEXT})"
            f" ELSE {sql} END"
        )
        return formatted, (*params,) * formatted.count(sql)


class ReadableBinaryField(SameColumn, models.BinaryField):  # type: ignore[type-arg]
    """Read bytes up to `LONGEST_BINARY`; a single zero for any other value."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            # PostgreSQL stores the length apart from the bytes.
            whole, zero = f"octet_length({sql}) <= {LONGEST_BINARY}", "'\\x00'::bytea"
        else:
            whole = f"typeof({sql}) = 'blob' AND length({sql}) <= {LONGEST_BINARY}"
            zero = "x'00'"
        formatted = f"CASE WHEN {whole} THEN {sql} ELSE {zero} END"
        return formatted, (*params,) * formatted.count(sql)


class ReadableAddressField(_Decoded, AddressField):
    """Read any address; None for what is none."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            # Without the length of the prefix, which PostgreSQL stores too. A subquery is a text.
            return f"host(({sql})::inet)", tuple(params)
        return _as_bytes(compiler, sql, params, LONGEST_ADDRESS)

    def decode(self, value: Any, _expression: object, _connection: object) -> Any:
        """Return the address, or None."""
        address = text_of(value)
        return address if isinstance(address, str) and is_address(address) else None


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_hexadecimal(sql: str) -> str:
    """Return a condition in SQL: a column holds a UUID as Django writes it (SQLite)."""
    return f"typeof({sql}) = 'text' AND length({sql}) = 32 AND {sql} NOT GLOB '*[^0-9a-f]*'"


class ReadableUUIDField(SameColumn, models.UUIDField):  # type: ignore[type-arg]
    """Read any UUID; None for what is none."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            return sql, tuple(params)
        formatted = f"CASE WHEN {_is_hexadecimal(sql)} THEN {sql} END"
        return formatted, (*params,) * formatted.count(sql)


class ReadableForeignKey(SameColumn, models.ForeignKey):  # type: ignore[type-arg]
    """Read the key of any row; None for what is none."""

    def get_col(self, alias: str, output_field: "models.Field[Any, Any] | None" = None) -> Col:
        """Return the column as Django does: with the field of the key that it holds."""
        column = super().get_col(alias, output_field)
        return _Key(column.alias, column.target, column.output_field)


class _Key(Col):
    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            return sql, tuple(params)
        if isinstance(self.output_field, models.UUIDField):
            known = _is_hexadecimal(sql)
        elif isinstance(self.output_field, models.IntegerField):
            known = f"typeof({sql}) = 'integer'"
        else:
            known = f"typeof({sql}) = 'text'"
        formatted = f"CASE WHEN {known} THEN {sql} END"
        return formatted, (*params,) * formatted.count(sql)


class ReadableNumber(SameColumn):
    """Read any number; ``none`` for what is none."""

    none = 0

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            return sql, tuple(params)
        known = f"typeof({sql}) IN ('integer', 'null')"
        return f"CASE WHEN {known} THEN {sql} ELSE {self.none} END", (*params,) * 2


class ReadableCountField(ReadableNumber, models.PositiveIntegerField):  # type: ignore[type-arg]
    """Read a count; 0 for what is none."""


class ReadableBigCountField(ReadableNumber, models.PositiveBigIntegerField):  # type: ignore[type-arg]
    """Read a count; 0 for what is none."""


class ReadableBigIntegerField(ReadableNumber, models.BigIntegerField):  # type: ignore[type-arg]
    """Read a number; 0 for what is none."""


class ReadableBooleanField(SameColumn, models.BooleanField):  # type: ignore[type-arg]
    """Read true or false; false for what is neither."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            return sql, tuple(params)
        return f"CASE WHEN typeof({sql}) = 'integer' THEN {sql} = 1 ELSE 0 END", (*params,) * 2


class ReadableTimeField(SameColumn, models.DateTimeField):  # type: ignore[type-arg]
    """Read any time; `EARLIEST` or `LATEST` for one that Python can't hold.

    Queries with `values_list` that are ordered by the time select it as ``F("at")``. Django would
    order by the selected value of ``"at"``, which no index has.
    """

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        formatted = readable_time(sql, vendor=compiler.connection.vendor)
        return formatted, (*params,) * formatted.count(sql)


def readable_time(sql: str, *, vendor: str) -> str:
    """Return SQL for the time in a column, or one of `EARLIEST` and `LATEST` in place of it."""
    if vendor == "postgresql":
        first, last = (f"timestamptz '{at.isoformat()}'" for at in (EARLIEST, LATEST))
        readable = f"{sql} > {first} AND {sql} < {last}"
    else:
        first, last = (f"'{at.replace(tzinfo=None)}'" for at in (EARLIEST, LATEST))
        # As Django writes it: SQLite also stores numbers, and dates that don't exist. It rounds a
        # time to milliseconds, maybe up to the next second, so it gets whole seconds.
        seconds = f"substr({sql}, 1, 19)"
        readable = (
            f"typeof({sql}) = 'text'"
            f" AND strftime('%%Y-%%m-%%d %%H:%%M:%%S', {seconds}, '+0 days') = {seconds}"
            f" AND substr({sql}, 20) || 'x' GLOB"
            f" CASE length({sql}) WHEN 19 THEN 'x' ELSE '.{'[0-9]' * 6}x' END"
            f" AND {sql} > {first} AND {sql} < {last}"
        )
    return (
        f"CASE WHEN {readable} THEN {sql} WHEN {sql} <= {first} THEN {first}"
        f" WHEN {sql} IS NOT NULL THEN {last} END"
    )


class ReadableObjectField(SameColumn, models.JSONField):
    """Read any JSON; ``{"unreadable": true}`` for what is no object that can be shown."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor != "postgresql":
            # JSON without its end is none.
            return _as_bytes(compiler, sql, params, LONGEST)
        formatted = f"CASE WHEN {is_printable(sql)} THEN {sql} WHEN {sql} IS NOT NULL THEN '7' END"
        return formatted, (*params,) * formatted.count(sql)

    def from_db_value(
        self, value: object, expression: "BaseExpression", connection: "BaseDatabaseWrapper"
    ) -> object:
        text = text_of(value)
        if isinstance(expression, KeyTransform):
            return super().from_db_value(text, expression, connection)
        if text is None:
            return None
        return self.read(text) if isinstance(text, str) else self.read("")

    def read(self, text: str) -> object:
        """Return what is in the JSON ``text``."""
        found = read_object(text)
        return {UNREADABLE: True} if found is None else found


class ReadableListField(ReadableObjectField):
    """Read any JSON list; an empty one for what is none."""

    def read(self, text: str) -> object:
        """Return what is in the JSON ``text``."""
        found = _read(text)
        return found if isinstance(found, list) else []
