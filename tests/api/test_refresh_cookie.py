"""The refresh token in a cookie: for pages of this origin alone, and never in a body."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client

from tests.support.tokens import failed
from tests.support.users import PASSWORD
from tokens.models import Session

pytestmark = pytest.mark.django_db
COOKIE = {"X-Token-Transport": "cookie"}
HERE = {**COOKIE, "Sec-Fetch-Site": "same-origin"}
NAME = "tokens_refresh"


def call(client, path, body=None, headers=HERE, **more):
    return client.post(
        f"/api/{path}", body or {}, content_type="application/json", headers=headers, **more
    )


def log_in(client, headers=HERE, **more):
    return call(client, "login", {"username": "alice", "password": PASSWORD}, headers, **more)


@pytest.mark.parametrize("wish", ["Cookie", "COOKIE", " cookie "])
def test_header_is_read_in_any_case(client, alice, wish):
    answer = log_in(client, {**HERE, "X-Token-Transport": wish})
    assert set(answer.json()) == {"access"}


@pytest.mark.parametrize("path", ["login", "refresh", "logout"])
@pytest.mark.parametrize("wish", ["cookies", "cookie, cookie", "é"])
def test_misspelled_header_is_refused(client, alice, path, wish):
    body = {"username": "alice", "password": PASSWORD, "refresh": "x"}
    answer = call(client, path, body, {**HERE, "X-Token-Transport": wish})
    assert answer.status_code == 400
    assert answer.json() == {"detail": "X-Token-Transport is neither “cookie” nor “body”."}


def test_refresh_token_is_in_the_cookie_and_in_no_body(client, alice):
    answer = log_in(client)
    assert set(answer.json()) == {"access"}
    cookie = client.cookies[NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/api/")
    assert cookie["max-age"] == 7 * 24 * 3600
    before = cookie.value
    age(seconds=11)
    again = call(client, "refresh")
    assert set(again.json()) == {"access"}
    assert client.cookies[NAME].value != before
    bearer = {"Authorization": f"Bearer {again.json()['access']}"}
    assert client.get("/api/restricted", headers=bearer).status_code == 200


def age(*, seconds):
    """Let the current token be that many seconds old."""
    by = timedelta(seconds=seconds)
    Session.objects.update(created_at=F("created_at") - by, rotated_at=F("rotated_at") - by)


def test_young_token_is_not_rotated_again(client, alice, settings):
    log_in(client)
    first = client.cookies[NAME].value
    assert call(client, "refresh").status_code == 200
    assert client.cookies[NAME].value == first
    age(seconds=11)
    call(client, "refresh")
    second = client.cookies[NAME].value
    assert second != first
    call(client, "refresh")
    assert client.cookies[NAME].value == second
    client.cookies[NAME] = first
    call(client, "refresh")
    assert client.cookies[NAME].value == second
    settings.REFRESH_GRACE_SECONDS = 0
    call(client, "refresh")
    assert client.cookies[NAME].value != second


def test_token_used_up_long_ago_ends_the_session(client, alice):
    log_in(client)
    first = client.cookies[NAME].value
    for _ in range(2):
        age(seconds=11)
        assert call(client, "refresh").status_code == 200
    client.cookies[NAME] = first
    assert call(client, "refresh").status_code == 401
    assert Session.objects.get().revoked_at is not None


def test_cookie_is_secure_over_https(client, alice):
    log_in(client, secure=True)
    cookie = client.cookies[f"__Secure-{NAME}"]
    assert cookie["secure"]
    assert call(client, "refresh", secure=True).status_code == 200


def test_cookie_alone_opens_nothing(client, alice):
    log_in(client)
    assert client.get("/api/restricted", headers=HERE).status_code == 401
    assert call(client, "refresh", headers={}).status_code == 400
    assert call(client, "verify").status_code == 400
    assert client.get("/account/sessions/").status_code == 302


def test_logout_ends_the_session_and_deletes_the_cookie(client, alice):
    log_in(client)
    token = client.cookies[NAME].value
    assert call(client, "logout").json() == {}
    assert client.cookies[NAME].value == ""
    assert failed(token) == "revoked"
    assert call(client, "refresh").status_code == 401


FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "https://testserver"},
    {"Origin": "http://testserver:8000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.org.evil.example"},
    {"Origin": "http://app.example.org"},
    {"Origin": "https://app.example.org@evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["login", "refresh", "logout"])
def test_other_pages_can_not_use_it(client, alice, settings, headers, path):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.org", "https://*.example.net"]
    log_in(client)
    body = {"username": "alice", "password": PASSWORD} if path == "login" else {}
    answer = call(client, path, body, COOKIE | headers)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "The cookie is for pages of this origin."}
    assert Session.objects.count() == 1
    assert call(client, "refresh").status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://testserver", "https://app.example.org", "https://a.b.example.net"]
)
def test_pages_of_a_trusted_origin_can(client, alice, settings, origin):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.org", "https://*.example.net"]
    headers = COOKIE | {"Origin": origin, "Sec-Fetch-Site": "same-site"}
    assert log_in(client, headers).status_code == 200
    assert call(client, "refresh", headers=headers).status_code == 200


def test_tabs_that_refresh_at_once_get_one_successor(client, alice):
    log_in(client)
    age(seconds=11)
    token = client.cookies[NAME].value
    tabs = [Client() for _ in range(10)]
    found = set()
    for tab in tabs:
        tab.cookies[NAME] = token
        assert call(tab, "refresh").status_code == 200
        found.add(tab.cookies[NAME].value)
    assert len(found) == 1


@pytest.mark.parametrize("rubbish", ["", "x", "a.b.c", "e" * 9000])
def test_rubbish_in_the_cookie_is_a_401_and_a_logout_of_nothing(client, alice, rubbish):
    client.cookies[NAME] = rubbish
    assert call(client, "refresh").status_code == 401
    assert call(client, "logout").json() == {}


@pytest.mark.parametrize("transport", ["", "body", "Body"])
def test_without_a_wish_it_is_the_body(client, alice, transport):
    answer = log_in(client, {"X-Token-Transport": transport})
    assert set(answer.json()) == {"access", "refresh"}
    assert NAME not in client.cookies


def test_access_token_in_the_cookie_is_refused(client, alice):
    client.cookies[NAME] = log_in(client).json()["access"]
    assert call(client, "refresh").status_code == 401
