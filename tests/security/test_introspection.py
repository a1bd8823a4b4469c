"""POST api/introspect (RFC 7662): claims of a good token to who may ask, else nothing."""

import pytest
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings

from tests.support.tokens import pair_of
from tests.support.users import make_staff
from tokens.jwt.claims import parse
from tokens.models import Event, Kind
from tokens.revocation import cut_off


@pytest.fixture
def resource_server(api, db, login):
    pair = login(api, make_staff("resource", "introspect_token"))
    return {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}


def test_an_active_token_shows_its_claims(api, alice, login, resource_server):
    token = login(api, alice)["access"]
    body = api.post("/api/introspect", {"token": token}, format="json", **resource_server).json()
    assert body["active"] is True
    assert (body["username"], body["sub"]) == ("alice", str(alice.pk))
    assert {"exp", "iat", "jti", "sid", "user_id", "token_type"} <= body.keys()


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_subject_in_the_answer_is_that_of_the_token(
    api, alice, login, resource_server, monkeypatch, kind
):
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", "username")
    resource_server = login(api, make_staff("other", "introspect_token"))
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {resource_server['access']}"}
    pair = login(api, alice)
    body = api.post("/api/introspect", {"token": pair[kind]}, format="json", **bearer).json()
    assert body["sub"] == parse(pair["access"]).payload["sub"] == "alice"


def test_custom_claims_do_not_replace_the_subject_in_the_answer(api, alice, resource_server):
    token = pair_of(alice, sub="bob", username="bob", active=False).access
    body = api.post("/api/introspect", {"token": token}, format="json", **resource_server).json()
    assert (body["sub"], body["username"], body["active"]) == (str(alice.pk), "alice", True)


def test_every_refused_token_gets_the_same_bytes(api, alice, bob, login, resource_server):
    pair, other = login(api, alice), login(api, bob)
    bob.delete()
    cut_off(user=alice, not_before=timezone.now(), actor=None, reason="lost laptop")
    tokens = ["", "rubbish", "a.b.c", "\x00", pair["access"], pair["refresh"], other["refresh"]]
    answers = {
        api.post("/api/introspect", {"token": token}, format="json", **resource_server).content
        for token in tokens
    }
    assert answers == {b'{"active":false}'}


def test_unauthenticated_caller_learns_nothing_from_introspection(api, db):
    answer = api.post("/api/introspect", {"token": "x"}, format="json")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_without_the_permission_it_is_refused_and_written_down(api, alice, login):
    pair = login(api, alice)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    answer = api.post("/api/introspect", {"token": pair["access"]}, format="json", **bearer)
    assert answer.status_code == 403
    assert Event.objects.get(kind=Kind.INTROSPECTION_REFUSED).actor_id == alice.pk
