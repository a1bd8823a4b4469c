"""The bodies of the token calls."""

from rest_framework import serializers


class LoginSerializer(serializers.Serializer[None]):
    username = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)


class RefreshSerializer(serializers.Serializer[None]):
    refresh = serializers.CharField(max_length=16384)


class TokenSerializer(serializers.Serializer[None]):
    token = serializers.CharField(max_length=16384)


class PairSerializer(serializers.Serializer[None]):
    refresh = serializers.CharField()
    access = serializers.CharField()


class EmptySerializer(serializers.Serializer[None]):
    """The body ``{}``."""


class AllowedSerializer(serializers.Serializer[None]):
    response = serializers.CharField()
