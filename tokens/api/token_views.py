"""Log in, refresh, log out, verify, and the call that needs an access token."""

from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from tokens.accounts.factors import offering
from tokens.api import refresh_cookie
from tokens.api.base import AnonymousView, ApiView, json_response
from tokens.api.logout import log_out
from tokens.api.openapi import JSON, TOKENS, any_body, describe
from tokens.api.serializers import (
    AllowedSerializer,
    EmptySerializer,
    LoginSerializer,
    PairSerializer,
    RefreshSerializer,
    TokenNotValidSerializer,
    TokenSerializer,
)
from tokens.jwt.signing import REFRESH, passes_rule
from tokens.models.reasons import Reason
from tokens.sessions.issue import IssuedPair, LoginSuperseded, open_session
from tokens.sessions.refresh import rotate, rotate_shared
from tokens.simplejwt.errors import token_not_valid
from tokens.validation import validate
from tokens.validation.validator import ALLOWED

NO_LONGER_VALID = {"detail": "Token is no longer valid", "code": "token_not_valid"}


class LoginRefused(NotAuthenticated):
    """A wrong password, an unknown account or an inactive one; the response doesn't say which."""

    default_detail = _("No active account found with the given credentials")


def _pair(pair: IssuedPair) -> HttpResponse:
    return json_response({"refresh": pair.refresh, "access": pair.access})


def _uses_cookie(request: Request) -> bool:
    """Return whether the client keeps its refresh token in the cookie. Raises `ForeignPage`.

    A misspelled wish must not put the token where scripts can read it.
    """
    wish = request.META.get("HTTP_X_TOKEN_TRANSPORT", "").strip().lower()
    if wish in ("", "body"):
        return False
    if wish != refresh_cookie.COOKIE:
        raise ParseError("X-Token-Transport is neither “cookie” nor “body”.")
    refresh_cookie.require_own_page(request._request)
    return True


def _presented_token(form: type[Serializer[None]], name: str, body: object) -> str:
    """Return the token in a request body; raise `ValidationError` if there is none.

    A JSON object with a string needs no serializer: any string is a valid `TokenField`.
    """
    if isinstance(body, dict) and isinstance(token := body.get(name), str):
        return token.strip()
    given = form(data=body)
    given.is_valid(raise_exception=True)
    return str(given.validated_data[name])


class LoginView(AnonymousView):
    """A wrong password, an unknown account and an inactive one get one and the same response.

    After the right password of an account with a second factor, a call without ``code`` is a 401
    with ``mfa_required``.
    """

    refusal = {"detail": "No active account found with the given credentials"}
    may_throttle = True

    @describe(
        TOKENS,
        "login",
        "Open a session: a refresh and an access token",
        PairSerializer,
        request=LoginSerializer,
    )
    def post(self, request: Request) -> HttpResponse:
        in_cookie = _uses_cookie(request)
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = dict(form.validated_data)
        with offering(given.pop("code", "")):
            user: AbstractBaseUser | None = authenticate(request._request, **given)
        if user is None or not passes_rule(user):
            raise LoginRefused
        try:
            pair = open_session(user=user)
        except LoginSuperseded as error:
            raise LoginRefused from error
        return refresh_cookie.answer(request._request, pair) if in_cookie else _pair(pair)


class RestrictedView(ApiView):
    @describe(TOKENS, "restricted", "A call that needs an access token", AllowedSerializer)
    def get(self, request: Request) -> HttpResponse:
        return json_response(ALLOWED)


class RefreshView(AnonymousView):
    """A refresh token can be used once.

    Using it again ends the session, except for a retry within a few seconds, which gets the same
    successor.
    """

    refusal = NO_LONGER_VALID
    refusal_serializer = TokenNotValidSerializer

    @describe(
        TOKENS,
        "refresh",
        "Exchange a refresh token for the next pair",
        PairSerializer,
        request=RefreshSerializer,
    )
    def post(self, request: Request) -> HttpResponse:
        if _uses_cookie(request):
            token = refresh_cookie.presented(request._request)
            return refresh_cookie.answer(request._request, rotate_shared(refresh=token))
        token = _presented_token(RefreshSerializer, "refresh", request.data)
        return _pair(rotate(refresh=token))


class LogoutView(AnonymousView):
    """End the session of a refresh token. An unknown token, or another type, changes nothing."""

    accepts_any_body = True

    @describe(
        TOKENS,
        "logout",
        "Log out: end the session of a refresh token",
        EmptySerializer,
        request=any_body("refresh", JSON),
    )
    def post(self, request: Request) -> HttpResponse:
        if _uses_cookie(request):
            token = refresh_cookie.presented(request._request)
            log_out(token=token, reason=Reason.LOGGED_OUT, expected=REFRESH)
            return refresh_cookie.forget(request._request, json_response({}))
        form = RefreshSerializer(data=request.data)
        if form.is_valid():
            refresh = form.validated_data["refresh"]
            log_out(token=refresh, reason=Reason.LOGGED_OUT, expected=REFRESH)
        return json_response({})


class VerifyView(AnonymousView):
    refusal = NO_LONGER_VALID
    refusal_serializer = TokenNotValidSerializer

    @describe(TOKENS, "verify", "Validate a token", EmptySerializer, request=TokenSerializer)
    def post(self, request: Request) -> HttpResponse:
        validation = validate(token=_presented_token(TokenSerializer, "token", request.data))
        if not validation.active:
            raise token_not_valid(validation)
        return json_response({})
