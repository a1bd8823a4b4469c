"""The serializers that a project names in SIMPLE_JWT.

simplejwt's views, and a project's own, use them. They answer like simplejwt's, and open, rotate,
validate and end sessions. Subclasses may override `get_token` and `validate` as they do for
simplejwt's. There are none for sliding tokens: those stay with simplejwt, and no session ends them.
"""

from rest_framework.serializers import CharField
from rest_framework_simplejwt import serializers
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from tokens.accounts.factors import offering
from tokens.audit.refusals import record_refusal
from tokens.db.transactions import in_request_transaction
from tokens.jwt.claims import Malformed, parse
from tokens.jwt.signing import ACCESS, REFRESH, type_of
from tokens.models.reasons import Reason
from tokens.revocation.presented import revoke_presented
from tokens.sessions.refresh import renew, rotate, rotate_in_transaction
from tokens.simplejwt.errors import as_api_errors
from tokens.simplejwt.tokens import SessionRefreshToken
from tokens.validation import TokenRejected, validate

# What `tokens.simplejwt.take_over` replaces.
STOCK_VERIFY = serializers.TokenVerifySerializer.validate


class TokenObtainPairSerializer(serializers.TokenObtainPairSerializer):  # type: ignore[misc]
    """Check the credentials as the project does, and open a session."""

    token_class = SessionRefreshToken

    code = CharField(max_length=100, required=False, allow_blank=True, write_only=True)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Return ``refresh`` and ``access``. Raises AuthenticationFailed, and 503 for a fault."""
        with as_api_errors(), offering(attrs.get("code", "")):
            data: dict[str, str] = super().validate(attrs)
            return data


class TokenRefreshSerializer(serializers.TokenRefreshSerializer):  # type: ignore[misc]
    """Exchange a refresh token for the next pair, or for an access token.

    simplejwt's ROTATE_REFRESH_TOKENS decides which. A reused token ends its session.
    """

    token_class = SessionRefreshToken

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Return ``access``, and ``refresh`` if tokens are rotated. Raises TokenError."""
        return refresh(self, attrs)


class TokenVerifySerializer(serializers.TokenVerifySerializer):  # type: ignore[misc]
    """Validate an access or refresh token, with its session, its user and the cutoffs."""

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Validate the token. Raises TokenError if it is not accepted."""
        return verify(self, attrs)


class TokenBlacklistSerializer(serializers.TokenBlacklistSerializer):  # type: ignore[misc]
    """Log out: end the session of a refresh token."""

    token_class = SessionRefreshToken

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """End the session of the token. Raises TokenError if the token is not valid."""
        token = attrs["refresh"]
        with as_api_errors():
            validation = validate(token=token, expected=REFRESH)
            if not validation.active and not validation.unknown_key:
                record_refusal(validation)
                raise TokenError(validation.message)
            revoke_presented(validation=validation, token=token, reason=Reason.LOGGED_OUT)
        return {}


def refresh(
    serializer: serializers.TokenRefreshSerializer, attrs: dict[str, str]
) -> dict[str, str]:
    """Do the work of `TokenRefreshSerializer`, for simplejwt's class and its subclasses too."""
    presented, token_class = attrs["refresh"], serializer.token_class
    try:
        with as_api_errors():
            if not api_settings.ROTATE_REFRESH_TOKENS:
                return {"access": renew(refresh=presented, token_class=token_class).access}
            rotates = rotate_in_transaction if in_request_transaction() else rotate
            pair = rotates(refresh=presented, token_class=token_class)
    except TokenRejected as rejected:
        record_refusal(rejected.validation)
        raise TokenError(rejected.validation.message) from rejected
    return {"access": pair.access, "refresh": pair.refresh}


def verify(serializer: serializers.TokenVerifySerializer, attrs: dict[str, str]) -> dict[str, str]:
    """Do the work of `TokenVerifySerializer`, for simplejwt's class and its subclasses too."""
    token = attrs["token"]
    if _type_in(token) not in (ACCESS, REFRESH):
        answer: dict[str, str] = STOCK_VERIFY(serializer, attrs)
        return answer
    with as_api_errors():
        validation = validate(token=token)
    if not validation.active:
        record_refusal(validation)
        raise TokenError(validation.message)
    return {}


def _type_in(token: str) -> object:
    """Return the type that an unverified token claims to have; ``access`` if it is malformed."""
    try:
        return type_of(parse(token).payload)
    except Malformed:
        return ACCESS
