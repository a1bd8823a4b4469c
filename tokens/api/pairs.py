"""Log in, refresh, log out, verify, and the call that needs an access token."""

from typing import Any

from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tokens.api.refusals import token_not_valid
from tokens.api.serializers import LoginSerializer, RefreshSerializer, TokenSerializer
from tokens.issuing import IssuedPair, LoginSuperseded, open_session
from tokens.models import Kind
from tokens.revocation import revoke_session
from tokens.rotation import rotate
from tokens.verdict import explain

# RFC 6749, section 5.1: an answer with a token in it is kept by nobody on the way.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class AnonymousView(APIView):
    """A call that needs no bearer token, and looks at none."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get_authenticate_header(self, request: Request) -> str:
        # Without it DRF turns every 401 of a view that authenticates nobody into a 403.
        return 'Bearer realm="api"'


class LoginRefused(NotAuthenticated):
    """Wrong, unknown, inactive: one and the same answer."""

    default_detail = _("No active account found with the given credentials")


def _pair(pair: IssuedPair) -> Response:
    return Response({"refresh": pair.refresh, "access": pair.access}, headers=NO_STORE)


class LoginView(AnonymousView):
    def post(self, request: Request) -> Response:
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = authenticate(request._request, **form.validated_data)
        if user is None:
            raise LoginRefused
        try:
            return _pair(open_session(user=user))
        except LoginSuperseded as error:
            raise LoginRefused from error


class RestrictedView(APIView):
    def get(self, request: Request) -> Response:
        return Response({"response": "YOU ARE ALLOWED HERE"})


class RefreshView(AnonymousView):
    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _pair(rotate(refresh=form.validated_data["refresh"]))


class LogoutView(AnonymousView):
    """Ends the session of a refresh token; what is no token of ours changes nothing."""

    def post(self, request: Request) -> Response:
        form = RefreshSerializer(data=request.data)
        if form.is_valid():
            end_session_of(token=form.validated_data["refresh"])
        return Response({})


class VerifyView(AnonymousView):
    def post(self, request: Request) -> Response:
        form = TokenSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        verdict = explain(token=form.validated_data["token"])
        if not verdict.active:
            raise token_not_valid(verdict)
        return Response({})


def end_session_of(*, token: str) -> None:
    """Log out: the holder of any token of a session may end it (RFC 7009, section 2.1)."""
    verdict = explain(token=token)
    if verdict.session is not None:
        revoke_session(
            session=verdict.session,
            actor=verdict.session.user,
            reason="logged out",
            kind=Kind.LOGOUT,
            jti=verdict.claims["jti"],
        )
