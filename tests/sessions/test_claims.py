"""The CLAIMS function of a project decides the claims of each access token."""

import logging

import pytest

from tests.support.tokens import failed, kinds, pair_of
from tests.support.users import PASSWORD
from tokens.jwt.claims import parse
from tokens.models import Kind, OutstandingToken, Session
from tokens.sessions.claims import ClaimsUnavailable
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import renew, rotate

pytestmark = pytest.mark.django_db
HOST = "tests.simplejwt.host"


@pytest.fixture
def editor(alice, settings):
    settings.CLAIMS = f"{HOST}.role_claims"
    alice.first_name = "editor"
    alice.save()
    return alice


def role(access):
    return parse(access).payload.get("role")


def rename(user, name):
    user.first_name = name
    user.save()


def test_claims_are_in_the_access_token_of_a_login(editor):
    pair = pair_of(editor)
    assert role(pair.access) == "editor"
    assert role(pair.refresh) is None
    assert failed(pair.access) is None


def test_changed_claim_reaches_the_next_access_token(editor):
    pair = pair_of(editor)
    rename(editor, "reader")
    second = rotate(refresh=pair.refresh)
    assert role(second.access) == "reader"
    rename(editor, "")
    assert role(rotate(refresh=pair.refresh).access) is None, "a retry"
    assert role(renew(refresh=second.refresh).access) is None
    assert role(rotate(refresh=second.refresh).access) is None


def test_claim_of_the_function_wins_over_one_of_the_refresh_token(editor):
    pair = open_session(user=editor, role="stored", tenant="north")
    assert role(pair.access) == "editor"
    assert parse(pair.access).payload["tenant"] == "north"
    rename(editor, "")
    assert role(rotate(refresh=pair.refresh).access) == "stored"


@pytest.mark.parametrize("name", ["failing_claims", "reserved_claims", "missing"])
def test_failing_function_issues_nothing(alice, settings, name, caplog):
    pair = pair_of(alice)
    settings.CLAIMS = f"{HOST}.{name}"
    before = (OutstandingToken.objects.count(), Session.objects.count(), kinds())
    for act in (
        lambda: pair_of(alice),
        lambda: rotate(refresh=pair.refresh),
        lambda: renew(refresh=pair.refresh),
    ):
        with pytest.raises(ClaimsUnavailable), caplog.at_level(logging.ERROR):
            act()
    assert (OutstandingToken.objects.count(), Session.objects.count(), kinds()) == before
    assert "directory" not in caplog.text
    if name == "reserved_claims":
        assert "The portal sets these claims itself: sid" in caplog.text
    settings.CLAIMS = ""
    assert failed(rotate(refresh=pair.refresh).access) is None


def test_failing_function_is_a_503_with_retry_after(api, alice, settings):
    pair = pair_of(alice)
    settings.CLAIMS = f"{HOST}.failing_claims"
    for path, body in (
        ("login", {"username": "alice", "password": PASSWORD}),
        ("refresh", {"refresh": pair.refresh}),
    ):
        answer = api.post(f"/api/{path}", body, format="json")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.urls(HOST)
def test_failing_function_is_a_503_in_the_views_of_the_project(api, alice, settings):
    pair = pair_of(alice)
    settings.CLAIMS = f"{HOST}.failing_claims"
    settings.MIDDLEWARE = ["tokens.web.middleware.RequestContextMiddleware"]
    credentials = {"username": "alice", "password": PASSWORD}
    for path, body in (
        ("/jwt/", credentials),
        ("/login/", credentials),
        ("/jwt/refresh/", {"refresh": pair.refresh}),
        ("/jwt/cookie/", {"refresh": pair.refresh}),
    ):
        answer = api.post(path, body, format="json")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert kinds() == [Kind.LOGIN]


@pytest.mark.urls(HOST)
def test_claims_are_in_the_tokens_of_the_projects_views(api, editor):
    credentials = {"username": "alice", "password": PASSWORD}
    pair = api.post("/jwt/tenant/", credentials, format="json").json()
    assert parse(pair["access"]).payload["tenant"] == "north"
    assert role(pair["access"]) == "editor"
    rename(editor, "reader")
    pair = api.post("/jwt/refresh/", {"refresh": pair["refresh"]}, format="json").json()
    assert role(pair["access"]) == "reader"
