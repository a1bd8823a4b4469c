"""Check that each act of the core writes one event, or does not happen."""

import re
import uuid
from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.db import DatabaseError, transaction
from django.utils import timezone

from tests.support.users import PASSWORD
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.origin import Origin, acting_from
from tokens.revocation import (
    Selection,
    cut_off,
    revoke_matching,
    revoke_session,
    revoke_token,
    revoke_user,
)
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate, rotate_in_transaction
from tokens.validation.validator import TokenRejected, validate

pytestmark = pytest.mark.django_db
WHERE = Origin(ip="203.0.113.9", user_agent="Phone/1", client="app", request_id="r-1")


def deactivate(pair, sam):
    pair.session.user.is_active = False
    pair.session.user.save()


def change_password(pair, sam):
    pair.session.user.set_password("another good password 7")
    pair.session.user.save()


def revoke_one(pair, sam):
    revoke_token(jti=pair.session.current.jti, actor=sam, reason="why")


def everybody(pair, sam):
    cut_off(not_before=timezone.now() + timedelta(hours=1), actor=sam, reason="why")


def logout(pair, sam):
    revoke_session(session=pair.session, actor=pair.session.user, reason="", kind=Kind.LOGOUT)


def matching(pair, sam):
    revoke_matching(selection=Selection(users=(pair.session.user_id,)), actor=sam, reason="why")


ACTS = {
    Kind.REFRESH: lambda pair, sam: rotate_in_transaction(refresh=pair.refresh),
    Kind.LOGOUT: logout,
    Kind.REVOKE_TOKEN: revoke_one,
    Kind.REVOKE_SESSION: lambda pair, sam: revoke_session(
        session=pair.session, actor=sam, reason="why"
    ),
    Kind.REVOKE_USER: lambda pair, sam: revoke_user(
        user=pair.session.user, actor=sam, reason="why"
    ),
    Kind.REVOKE_MATCHING: matching,
    Kind.CUTOFF: everybody,
    Kind.PASSWORD_CHANGED: change_password,
    Kind.USER_DEACTIVATED: deactivate,
    Kind.USER_DELETED: lambda pair, sam: pair.session.user.delete(),
}
BY_STAFF = {
    Kind.REVOKE_TOKEN, Kind.REVOKE_SESSION, Kind.REVOKE_USER, Kind.REVOKE_MATCHING, Kind.CUTOFF,
}  # fmt: skip
ABOUT_MANY = {Kind.REVOKE_MATCHING, Kind.CUTOFF}


@pytest.mark.parametrize("kind", ACTS)
def test_each_act_writes_one_event_with_its_fields(kind, alice, sam):
    user = alice.pk
    pair = open_session(user=alice)
    with acting_from(WHERE):
        ACTS[kind](pair, sam)
    event = Event.objects.exclude(kind=Kind.LOGIN).get()
    assert event.kind == kind
    assert (event.ip, event.user_agent, event.client) == ("203.0.113.9", "Phone/1", "app")
    assert event.request_id == "r-1"
    if kind in BY_STAFF:
        assert (event.actor_id, event.actor_name, event.reason) == (sam.pk, "sam", "why")
    if kind not in ABOUT_MANY:
        assert (event.subject_id, event.subject_name) == (user, "alice")


@pytest.mark.parametrize("kind", ACTS)
def test_act_fails_if_its_event_cannot_be_written(kind, alice, sam, request):
    pair = open_session(user=alice)
    password = alice.password
    request.getfixturevalue("refuse_events")
    # A rotation is a transaction of its own, and refuses to run inside another.
    caller = nullcontext() if kind is Kind.REFRESH else transaction.atomic()
    with pytest.raises(DatabaseError), caller:
        ACTS[kind](pair, sam)
    alice.refresh_from_db()
    assert alice.is_active
    assert alice.password == password
    session = Session.objects.get()
    assert (session.revoked_at, session.rotations) == (None, 0)
    assert OutstandingToken.objects.count() == 1
    assert validate(token=pair.access).active


def test_login_and_refused_logins_are_recorded(alice, password):
    with acting_from(WHERE):
        pair = open_session(user=alice)
        assert authenticate(username="alice", password="wrong") is None
        assert authenticate(username="nobody", password="wrong") is None
    login, wrong, unknown = Event.objects.order_by("pk")
    assert (login.kind, login.actor, login.session_id) == (Kind.LOGIN, alice, pair.session.pk)
    assert login.jti == pair.session.current.jti
    assert (wrong.kind, wrong.subject, wrong.actor) == (Kind.LOGIN_REFUSED, alice, None)
    assert unknown.subject is None
    # People type passwords into the field of the user name.
    assert re.fullmatch("unknown:[0-9a-f]{6}", unknown.subject_name)
    assert {wrong.reason, unknown.reason} == {"wrong password", "unknown user"}


def test_login_fails_if_its_event_cannot_be_written(alice, refuse_events):
    with pytest.raises(DatabaseError), transaction.atomic():
        open_session(user=alice)
    assert (Session.objects.count(), OutstandingToken.objects.count()) == (0, 0)


def test_own_password_stays_if_its_event_cannot_be_written(client, alice, request):
    client.force_login(alice)
    request.getfixturevalue("refuse_events")
    new = "a new password that is long enough"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/account/password/", form).status_code == 503
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_retry_and_reuse_of_a_token_are_recorded(alice, settings):
    pair = open_session(user=alice)
    rotate(refresh=pair.refresh)
    rotate(refresh=pair.refresh)
    Session.objects.update(rotated_at=timezone.now() - timedelta(minutes=5))
    with pytest.raises(TokenRejected):
        rotate(refresh=pair.refresh)
    kinds = list(Event.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == [Kind.LOGIN, Kind.REFRESH, Kind.REFRESH_RETRY, Kind.REUSE]
    reuse = Event.objects.get(kind=Kind.REUSE)
    assert (reuse.actor, reuse.subject, reuse.session_id) == (None, alice, pair.session.pk)


def test_revoking_an_unknown_token_writes_no_event(sam):
    revoke_token(jti=uuid.uuid4().hex, actor=sam, reason="x")
    assert Event.objects.count() == 0
