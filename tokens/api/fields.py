"""Request fields that accept exactly what the OpenAPI document says.

REST framework's own fields are more lenient. ``json_schema`` is what a field accepts, as JSON
Schema; `tokens.api.openapi` uses it.
"""

import re
from datetime import datetime
from typing import Any, TypeAlias

from django.contrib.auth import get_user_model
from django.db.models import IntegerField, UUIDField
from rest_framework import serializers

from tokens.jwt.redaction import redact_text
from tokens.listing.readers import ADDRESS
from tokens.listing.search import user_key

Schema = dict[str, Any]
# The keyword arguments of a field.
Options = dict[str, Any]
AnyField: TypeAlias = serializers.Field[Any, Any, Any, Any]
RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.ASCII | re.IGNORECASE
)
CURSOR = re.compile(r"[\w-]*", re.ASCII)
BIG = 2**63 - 1
NUMBER = re.compile(r"-?[0-9]{1,20}")
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4_NETWORK = rf"^({OCTET}\.){{3}}{OCTET}/(3[0-2]|[12]?[0-9])$"
# Also in the usual short form, whose last groups are left out.
IPV6_NETWORK = (
    "^(([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,6}:)"
    "/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$"
)


class TextField(serializers.CharField):
    """Accept a JSON string only. REST framework's field also accepts numbers.

    Tokens are redacted, except in a ``write_only`` field, which is a password.
    """

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            # The limit applies to the text before it is trimmed.
            self.fail("max_length", max_length=self.max_length)
        text = super().to_internal_value(data)
        return text if self.write_only else redact_text(text)

    @property
    def json_schema(self) -> Schema:
        """Exclude NUL, which no database stores, and text that trimming leaves empty."""
        some = "" if self.allow_blank else r"[^\s\x00]" if self.trim_whitespace else r"[^\x00]"
        pattern = rf"^[^\x00]*{some}[^\x00]*$" if some else r"^[^\x00]*$"
        limits = {"minLength": int(bool(some)), "maxLength": self.max_length}
        return {"type": "string", **{k: v for k, v in limits.items() if v}, "pattern": pattern}


class CursorField(TextField):
    """Accept a cursor, the ``next`` or ``previous`` of a page.

    The format is one of this API: the list decides whether a cursor is one of its own.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=300, **options)

    def to_internal_value(self, data: object) -> str:
        text = super().to_internal_value(data)
        if CURSOR.fullmatch(text) is None:
            self.fail("invalid")
        return text

    @property
    def json_schema(self) -> Schema:
        return {
            "type": "string",
            "format": "cursor",
            "maxLength": self.max_length,
            "pattern": "^[A-Za-z0-9_-]*$",
        }


class NumberField(serializers.IntegerField):
    """Accept ASCII digits only. `int` also accepts digits of other scripts, and underscores."""

    def to_internal_value(self, data: float | str) -> int:
        if NUMBER.fullmatch(str(data)) is None:
            self.fail("invalid")
        return super().to_internal_value(data)


class InstantField(serializers.DateTimeField):
    """Accept an RFC 3339 date-time, or a date, which means its first instant in UTC.

    Python's parser also accepts week numbers and other ISO 8601 forms.
    """

    def to_internal_value(self, value: object) -> datetime:
        if not isinstance(value, str) or RFC3339.fullmatch(value) is None:
            self.fail("invalid", format="RFC 3339")
        return super().to_internal_value(value.upper())

    @property
    def json_schema(self) -> Schema:
        return {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}


class AddressField(serializers.CharField):
    """Accept an IPv4 or IPv6 address without a zone, or a network."""

    default_error_messages = {"invalid": "Enter an address or a network such as 203.0.113.0/24."}

    def to_internal_value(self, data: object) -> str:
        found = ADDRESS.read(data) if isinstance(data, str) else None
        if found is None:
            self.fail("invalid")
        return str(found)

    @property
    def json_schema(self) -> Schema:
        kinds: list[Schema] = [{"format": "ipv4"}, {"format": "ipv6"}]
        kinds += [{"pattern": pattern} for pattern in (IPV4_NETWORK, IPV6_NETWORK)]
        return {"type": "string", "anyOf": kinds}


class TokenField(serializers.Field[str, str, str, object]):
    """Accept any string.

    Validation decides if it is a token, so text that is not one gets the same response as an
    invalid token.
    """

    default_error_messages = {"invalid": "Not a valid string."}
    json_schema = {"type": "string"}

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip()

    def to_representation(self, value: str) -> str:
        return value


class AccountIdField(TextField):
    """Accept the key of an account, where the user model's key is neither a number nor a UUID."""

    def to_internal_value(self, data: object) -> str:
        key = user_key(super().to_internal_value(data))
        if key is None:
            self.fail("invalid")
        return str(key)


def account_key_field(**options: Any) -> AnyField:
    """Return the field of a parameter that names an account by its key."""
    pk = get_user_model()._meta.pk
    if isinstance(pk, IntegerField):
        return NumberField(min_value=0, max_value=BIG, **options)
    if isinstance(pk, UUIDField):
        return serializers.UUIDField(**options)
    return AccountIdField(max_length=254, **options)


def account_key_schema() -> Schema:
    """Return the JSON Schema of an account's key."""
    pk = get_user_model()._meta.pk
    if isinstance(pk, IntegerField):
        return {"type": "integer"}
    return {"type": "string", "format": "uuid"} if isinstance(pk, UUIDField) else {"type": "string"}
