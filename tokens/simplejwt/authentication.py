"""Authenticate requests by their bearer token (RFC 6750)."""

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error
from rest_framework.request import Request
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from tokens.db import clock
from tokens.jwt.claims import Claims
from tokens.jwt.signing import ACCESS
from tokens.simplejwt.errors import BearerRefused, raise_if_fault
from tokens.validation.validator import Validation, validate


class ValidatedToken(AccessToken):  # type: ignore[misc]  # simplejwt ships no types
    """Be ``request.auth``: an access token of simplejwt that has been validated.

    ``validation`` is the result of validating it, with the session that it belongs to. ``str``
    returns the token as the client sent it; don't write it to a log.
    """

    def __init__(self, *, text: str, validation: Validation) -> None:
        # simplejwt's class would verify the token again.
        self.token = text
        self.validation = validation
        self.payload: Claims = validation.claims

    @property
    def current_time(self) -> datetime:
        """Return the time, which simplejwt's tokens have as an attribute."""
        return clock.now()

    def __str__(self) -> str:
        return self.token


class JWTAuthentication(authentication.JWTAuthentication):  # type: ignore[misc]  # no types
    """Validate the bearer token of every call, with its session, its user and the cutoffs.

    The token is read from the header that simplejwt's settings name; the scheme matches in any case
    (RFC 9110, section 11.1). ``request.auth`` is a `ValidatedToken`. A subclass may take the token
    from elsewhere, such as a cookie, and pass it to `get_validated_token` and `get_user`.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, ValidatedToken] | None:
        """Return the user and the token, or None if the call has no bearer token."""
        scheme, _, token = _header(request).partition(" ")
        if not _names_bearer(scheme):
            return None
        validated = self.get_validated_token(token.strip())
        return self.get_user(validated), validated

    def get_validated_token(self, raw_token: bytes | str) -> ValidatedToken:
        """Validate a token. Raises InvalidToken (401) like simplejwt, and 503 for a fault."""
        text = raw_token.decode("latin-1") if isinstance(raw_token, bytes) else raw_token
        try:
            validation = validate(token=text, expected=ACCESS)
        except Error as error:
            raise_if_fault(error)
            raise
        if validation.user is None or not validation.active:
            raise BearerRefused(validation)
        return ValidatedToken(text=text, validation=validation)

    def get_user(self, validated_token: ValidatedToken) -> AbstractBaseUser:
        """Return the user that was loaded with the token's session."""
        user = validated_token.validation.user
        if user is None:
            raise BearerRefused(validated_token.validation)
        return user

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401; it names an error only if a token was sent."""
        challenge = f'{authentication.AUTH_HEADER_TYPES[0]} realm="{self.www_authenticate_realm}"'
        sent = _header(request).partition(" ")[0]
        return f'{challenge}, error="invalid_token"' if _names_bearer(sent) else challenge


def _header(request: Request) -> str:
    return str(request.META.get(api_settings.AUTH_HEADER_NAME, "")).strip()


def _names_bearer(scheme: str) -> bool:
    """Tell whether simplejwt's AUTH_HEADER_TYPES name a scheme, in any case."""
    types = authentication.AUTH_HEADER_TYPES
    return scheme in types or scheme.lower() in {name.lower() for name in types}
