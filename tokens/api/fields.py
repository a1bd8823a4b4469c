"""Fields that take what the schema says they take, and nothing that is like it."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class TextField(serializers.CharField):
    """A JSON string. DRF's own field takes numbers for text, which hides a client's mistake."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.STR)
class TokenField(serializers.Field[str, str, str, Any]):
    """Any string at all: whether it is a token is the verdict's to say, so that rubbish gets
    the answer of a bad token and not one of its own."""

    default_error_messages = {"invalid": "Not a valid string."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip()

    def to_representation(self, value: str) -> str:
        return value
