"""Fields that take what the schema says they take, and nothing that is like it.

``described`` is that in JSON Schema; the served document is made of it.
"""

import re
from typing import Any

from rest_framework import serializers

Schema = dict[str, Any]
RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.ASCII | re.IGNORECASE
)
NUMBER = re.compile(r"-?[0-9]{1,20}")


class TextField(serializers.CharField):
    """A JSON string. DRF's own field takes numbers for text, which hides a client's mistake."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            # As it was sent, and not as it is after trimming.
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    @property
    def described(self) -> Schema:
        """No database holds a NUL; what is trimmed to nothing is nothing."""
        some = "" if self.allow_blank else r"[^\s\x00]" if self.trim_whitespace else r"[^\x00]"
        pattern = rf"^[^\x00]*{some}[^\x00]*$" if some else r"^[^\x00]*$"
        limits = {"minLength": int(bool(some)), "maxLength": self.max_length}
        return {"type": "string", **{k: v for k, v in limits.items() if v}, "pattern": pattern}


class CursorField(TextField):
    """What a list gave out as ``next`` or ``previous``."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if re.fullmatch(r"[\w-]*", text, re.ASCII) is None:
            self.fail("invalid")
        return text

    @property
    def described(self) -> Schema:
        return {"type": "string", "maxLength": self.max_length, "pattern": "^[A-Za-z0-9_-]*$"}


class NumberField(serializers.IntegerField):
    """Digits of ASCII; Python's `int` reads those of every script, and underscores."""

    def to_internal_value(self, data: Any) -> int:
        if NUMBER.fullmatch(str(data)) is None:
            self.fail("invalid")
        return super().to_internal_value(data)


class InstantField(serializers.DateTimeField):
    """RFC 3339; a date alone is its first instant, in UTC. Python's parser takes week numbers
    and much else."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or RFC3339.fullmatch(value) is None:
            self.fail("invalid", format="RFC 3339")
        return super().to_internal_value(value.upper())

    @property
    def described(self) -> Schema:
        return {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}


class AddressField(serializers.IPAddressField):
    """IPv4 or IPv6, without the zone of a link-local one: no column holds that."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or "%" in data:
            self.fail("invalid")
        return str(super().to_internal_value(data))

    @property
    def described(self) -> Schema:
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}


class TokenField(serializers.Field[str, str, str, Any]):
    """Any string at all: whether it is a token is the verdict's to say, so that rubbish gets
    the answer of a bad token and not one of its own."""

    default_error_messages = {"invalid": "Not a valid string."}
    described = {"type": "string"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip()

    def to_representation(self, value: str) -> str:
        return value
