"""An act whose event cannot be written does not happen (invariant 9)."""

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError

from tests.support.database.snapshot import events_refused, snapshot
from tests.support.tokens import failed, pair_of
from tests.support.users import PASSWORD
from tokens.revocation import revoke_user
from tokens.sessions.refresh import rotate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(api):
    return lambda path, **body: api.post(f"/api/{path}", body, format="json")


def test_login_refresh_retry_and_logout_are_refused_for_now(post, alice):
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    before = snapshot()
    with events_refused():
        answers = [
            post("login", username="alice", password=PASSWORD),
            post("login", username="alice", password="wrong"),
            post("refresh", refresh=second.refresh),
            post("refresh", refresh=first.refresh),
            post("logout", refresh=second.refresh),
        ]
        assert snapshot() == before
    assert [answer.status_code for answer in answers] == [503] * 5
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert post("refresh", refresh=second.refresh).status_code == 200


def test_reuse_is_detected_again_after_its_event_could_not_be_written(post, alice, settings):
    settings.REFRESH_GRACE_SECONDS = 0
    first = pair_of(alice)
    second = rotate(refresh=first.refresh)
    with events_refused():
        assert post("refresh", refresh=first.refresh).status_code == 503
    assert post("refresh", refresh=first.refresh).status_code == 401
    assert failed(second.refresh) == "revoked"


@pytest.mark.parametrize("what", ["revoke", "password", "deactivate", "delete"])
def test_staff_act_is_refused_when_its_event_cannot_be_written(alice, what):
    pair = pair_of(alice)
    before, account = snapshot(), User.objects.values().get()
    user = User.objects.get()

    def act():
        if what == "revoke":
            revoke_user(user=user, actor=None, reason="x")
        elif what == "delete":
            user.delete()
        else:
            user.is_active = what != "deactivate"
            user.password = "argon2$other" if what == "password" else user.password
            user.save()

    with events_refused(), pytest.raises(DatabaseError):
        act()
    assert snapshot() == before
    assert User.objects.values().get() == account
    assert failed(pair.access) is None


def test_the_lock_of_a_login_is_tried_again_and_never_lost(post, alice, settings):
    settings.LOGIN_ATTEMPTS = 1
    wrong = {"username": "alice", "password": "wrong"}
    assert post("login", **wrong).status_code == 401
    with events_refused():
        assert [post("login", **wrong).status_code for _ in range(3)] == [503] * 3
    assert post("login", **wrong).status_code == 429
    assert snapshot()["Event"][-1]["kind"] == "login_locked"
