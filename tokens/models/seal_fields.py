"""Fields of a seal, which can be read whatever has been stored in their columns.

They read a value of another type, or a longer one, as one that no seal has, so that its digest is
wrong. They tell it from NULL and from the values of a seal without events.
"""

from typing import TYPE_CHECKING

from django.db import models

from tokens.db.printable import octets
from tokens.models.address import SameColumn
from tokens.models.readable import ReadableNumber, text_of

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import BaseExpression
    from django.db.models.sql.compiler import SQLCompiler

    from tokens.models.readable import Params, Sql


class _SealNumber(ReadableNumber):
    none = -1


class SealIdField(_SealNumber, models.PositiveBigIntegerField):  # type: ignore[type-arg]
    """Read an id of a seal or an event."""


class SealCountField(_SealNumber, models.PositiveIntegerField):  # type: ignore[type-arg]
    """Read a count."""


class SealVersionField(_SealNumber, models.PositiveSmallIntegerField):  # type: ignore[type-arg]
    """Read a version."""


class SealTextField(SameColumn, models.CharField):  # type: ignore[type-arg]
    """Read any text; an empty one for what is none."""

    def select_format(self, compiler: "SQLCompiler", sql: str, params: "Params") -> "Sql":
        if compiler.connection.vendor == "postgresql":
            return sql, tuple(params)
        # A character has up to four bytes.
        whole = f"typeof({sql}) = 'text' AND {octets(sql)} <= {4 * (self.max_length or 0)}"
        formatted = f"CASE WHEN {whole} THEN CAST({sql} AS BLOB) ELSE x'' END"
        return formatted, (*params,) * formatted.count(sql)

    def from_db_value(
        self, value: object, expression: "BaseExpression", connection: "BaseDatabaseWrapper"
    ) -> object:
        return text_of(value)
