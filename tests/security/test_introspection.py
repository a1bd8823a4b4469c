"""POST api/introspect (RFC 7662): claims of a good token to who may ask, else nothing."""

import pytest
from django.utils import timezone

from tests.support.users import make_staff
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
