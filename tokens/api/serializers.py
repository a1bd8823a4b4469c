"""The bodies of the token calls."""

from rest_framework import serializers

from tokens.api.fields import TextField, TokenField


class LoginSerializer(serializers.Serializer[None]):
    username = TextField(max_length=254)
    password = TextField(max_length=4096, trim_whitespace=False, write_only=True)


class RefreshSerializer(serializers.Serializer[None]):
    refresh = TokenField()


class TokenSerializer(serializers.Serializer[None]):
    token = TokenField()


class ReasonSerializer(serializers.Serializer[None]):
    reason = TextField(max_length=500)
