"""The authentication class that a project names in its settings."""

import subprocess
import sys
from datetime import timedelta

import pytest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt import authentication
from rest_framework_simplejwt.authentication import JWTAuthentication as StockAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from tests.support.tokens import pair_of
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.simplejwt import JWTAuthentication

pytestmark = pytest.mark.django_db


def request_with(header):
    return Request(APIRequestFactory().get("/", HTTP_AUTHORIZATION=header))


def test_request_auth_reads_like_the_token_of_simplejwt(alice):
    pair = open_session(user=alice, tenant="north")
    user, token = JWTAuthentication().authenticate(request_with(f"Bearer {pair.access}"))
    stock = AccessToken(pair.access)
    assert user == alice
    assert token["tenant"] == stock["tenant"] == "north"
    assert token.get("tenant") == "north"
    assert token.get("missing") is None
    assert token.get("missing", 1) == 1
    assert "tenant" in token
    assert "missing" not in token
    assert token.payload == stock.payload
    assert token.token_type == stock.token_type
    assert repr(token) == repr(stock)
    assert str(token) == pair.access
    assert isinstance(token, AccessToken)
    assert token.lifetime == stock.lifetime
    assert abs(token.current_time - stock.current_time) < timedelta(minutes=1)
    token.verify()
    token["tenant"] = "south"
    assert token["tenant"] == "south"
    del token["tenant"]
    assert "tenant" not in token
    with pytest.raises(KeyError):
        token["missing"]


def test_request_auth_holds_the_validation_with_its_session(alice):
    pair = pair_of(alice)
    _, token = JWTAuthentication().authenticate(request_with(f"bearer  {pair.access}"))
    assert token.validation.active
    assert token.validation.session == pair.session


def test_token_of_a_revoked_session_is_refused_that_simplejwt_accepts(alice):
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="lost device")
    request = request_with(f"Bearer {pair.access}")
    assert StockAuthentication().authenticate(request) is not None
    with pytest.raises(AuthenticationFailed):
        JWTAuthentication().authenticate(request)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearertoken"])
def test_request_without_a_bearer_token_is_anonymous(header):
    assert JWTAuthentication().authenticate(request_with(header)) is None


@pytest.mark.parametrize("types", [("JWT",), ("Token", "JWT")])
def test_schemes_that_the_project_names_are_read(alice, monkeypatch, types):
    monkeypatch.setattr(authentication, "AUTH_HEADER_TYPES", types)
    access = pair_of(alice).access
    assert JWTAuthentication().authenticate(request_with(f"Bearer {access}")) is None
    request = request_with(f"jwt {access}")
    assert JWTAuthentication().authenticate(request)[0] == alice
    challenge = JWTAuthentication().authenticate_header(request)
    assert challenge == f'{types[0]} realm="api", error="invalid_token"'


class InCookie(StockAuthentication):
    """Takes the token from a cookie, as dj-rest-auth does."""

    def authenticate(self, request):
        token = self.get_validated_token(request.COOKIES["access"].encode())
        return self.get_user(token), token


class SessionInCookie(InCookie, JWTAuthentication):
    pass


def test_cookie_authentication_validates_through_the_core(alice):
    pair = pair_of(alice)
    request = request_with("")
    request._request.COOKIES["access"] = pair.access
    assert SessionInCookie().authenticate(request)[0] == alice
    revoke_session(session=pair.session, actor=None, reason="lost device")
    with pytest.raises(AuthenticationFailed):
        SessionInCookie().authenticate(request)


def test_changing_the_payload_of_one_request_leaves_the_next_alone(alice):
    header = f"Bearer {pair_of(alice).access}"
    _, first = JWTAuthentication().authenticate(request_with(header))
    first.payload["role"] = "admin"
    _, second = JWTAuthentication().authenticate(request_with(header))
    assert "role" not in second


def test_package_is_importable_before_the_apps_are_loaded():
    code = "import tokens.simplejwt"
    subprocess.run([sys.executable, "-c", code], check=True)
