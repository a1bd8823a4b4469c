"""Token revocation (RFC 7009) and token introspection (RFC 7662)."""

from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api.base import (
    AnonymousView,
    ApiView,
    BoundedFormParser,
    BoundedJSONParser,
    json_response,
)
from tokens.api.logout import log_out
from tokens.api.openapi import FORM, JSON, OAUTH, any_body, describe
from tokens.api.serializers import (
    ActiveSerializer,
    EmptySerializer,
    InactiveSerializer,
    TokenSerializer,
)
from tokens.api.service_authentication import (
    BASIC,
    CallerMayIntrospect,
    ServiceAuthentication,
    sends_basic,
)
from tokens.jwt.signing import user_id
from tokens.models.reasons import Reason
from tokens.permissions import INTROSPECT
from tokens.simplejwt import JWTAuthentication
from tokens.validation import Validation, validate


class RevokeView(AnonymousView):
    """End the session of a refresh or access token.

    The response to an unknown token is the same (RFC 7009, section 2.2), so it doesn't tell which
    tokens exist.
    """

    accepts_any_body = True
    parser_classes = [BoundedJSONParser, BoundedFormParser]

    @describe(
        OAUTH,
        "revoke",
        "Revoke a token (RFC 7009)",
        EmptySerializer,
        request=any_body("token", JSON, FORM),
    )
    def post(self, request: Request) -> HttpResponse:
        form = TokenSerializer(data=request.data)
        if form.is_valid():
            log_out(token=form.validated_data["token"], reason=Reason.BY_HOLDER)
        return json_response({})


class IntrospectView(ApiView):
    """Tell a resource server whether a token is active, and its claims if it is."""

    permission = INTROSPECT
    authentication_classes = [JWTAuthentication, ServiceAuthentication]
    permission_classes = [CallerMayIntrospect]
    may_throttle = True
    parser_classes = [BoundedJSONParser, BoundedFormParser]

    @describe(
        OAUTH,
        "introspect",
        "Introspect a token (RFC 7662)",
        PolymorphicProxySerializer(
            component_name="Introspection",
            serializers=[InactiveSerializer, ActiveSerializer],
            resource_type_field_name=None,
        ),
        request=TokenSerializer,
    )
    def post(self, request: Request) -> Response:
        form = TokenSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(introspection(validate(token=form.validated_data["token"])))

    def get_authenticate_header(self, request: Request) -> str:
        """Challenge the caller with the scheme that it used."""
        return BASIC if sends_basic(request) else super().get_authenticate_header(request)


def introspection(validation: Validation) -> dict[str, object]:
    """Return the body of RFC 7662, section 2.2.

    The claims are those of the token. A custom claim can't replace ``sub``, ``username`` or
    ``active``.
    """
    if not validation.active or validation.user is None:
        return {"active": False}
    user = validation.user
    ours = {"sub": user_id(user), "username": user.get_username(), "active": True}
    return {**validation.claims, **ours}
