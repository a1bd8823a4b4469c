"""The bodies of the token calls."""

from typing import Any

from rest_framework import serializers

from tokens.api.fields import TextField, TokenField


class LoginSerializer(serializers.Serializer[None]):
    username = TextField(max_length=254)
    password = TextField(max_length=4096, trim_whitespace=False, write_only=True)


class RefreshSerializer(serializers.Serializer[None]):
    refresh = TokenField()


class TokenSerializer(serializers.Serializer[None]):
    token = TokenField()


def presented(form: type[serializers.Serializer[None]], name: str, data: Any) -> str:
    """The token in a body. In what nearly everybody sends, a JSON object, there is nothing that a
    serializer could find wrong with a string; all else is for it to take or to refuse."""
    if isinstance(data, dict) and isinstance(token := data.get(name), str):
        return token.strip()
    given = form(data=data)
    given.is_valid(raise_exception=True)
    return str(given.validated_data[name])


class ReasonSerializer(serializers.Serializer[None]):
    reason = TextField(max_length=500)
