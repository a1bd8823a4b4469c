"""Log in, refresh, log out, verify, and the call that needs an access token."""

from django.contrib.auth import authenticate
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from tokens.api.base import AnonymousView, ApiView, answer
from tokens.api.ending import end_session_of
from tokens.api.refusals import token_not_valid
from tokens.api.serializers import (
    LoginSerializer,
    RefreshSerializer,
    TokenSerializer,
    presented,
)
from tokens.issuing import IssuedPair, LoginSuperseded, open_session
from tokens.rotation import rotate
from tokens.verdict import explain


class LoginRefused(NotAuthenticated):
    """Wrong, unknown, inactive: one and the same answer."""

    default_detail = _("No active account found with the given credentials")


def _pair(pair: IssuedPair) -> HttpResponse:
    return answer({"refresh": pair.refresh, "access": pair.access})


class LoginView(AnonymousView):
    """Wrong, unknown and inactive are one and the same refusal."""

    refusal = "No active account found with the given credentials"
    may_lock = True

    def post(self, request: Request) -> HttpResponse:
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = authenticate(request._request, **form.validated_data)
        if user is None:
            raise LoginRefused
        try:
            return _pair(open_session(user=user))
        except LoginSuperseded as error:
            raise LoginRefused from error


class RestrictedView(ApiView):
    def get(self, request: Request) -> HttpResponse:
        return answer({"response": "YOU ARE ALLOWED HERE"})


class RefreshView(AnonymousView):
    """Each refresh token is used once; presenting it again ends the session, save for a retry
    within a few seconds, which gets the same successor."""

    refusal = "Token is no longer valid"
    refusal_more = {"code": "token_not_valid"}

    def post(self, request: Request) -> HttpResponse:
        return _pair(rotate(refresh=presented(RefreshSerializer, "refresh", request.data)))


class LogoutView(AnonymousView):
    """Ends the session of a refresh token; what is no token of ours changes nothing."""

    tolerant = True

    def post(self, request: Request) -> HttpResponse:
        form = RefreshSerializer(data=request.data)
        if form.is_valid():
            end_session_of(token=form.validated_data["refresh"], reason="logged out")
        return answer({})


class VerifyView(AnonymousView):
    refusal = "Token is no longer valid"
    refusal_more = {"code": "token_not_valid"}

    def post(self, request: Request) -> HttpResponse:
        verdict = explain(token=presented(TokenSerializer, "token", request.data))
        if not verdict.active:
            raise token_not_valid(verdict)
        return answer({})
