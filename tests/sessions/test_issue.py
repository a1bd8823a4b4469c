"""A login opens one session, with its first pair and its event, or nothing at all."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.support.tokens import kinds, pair_of
from tokens.models import Cutoff, Event, Kind, OutstandingToken, Session, SessionToken
from tokens.origin import Origin
from tokens.sessions.issue import LoginSuperseded, open_session

PHONE = Origin(ip="192.0.2.7", user_agent="Phone/1", client="app", request_id="request-1")


def test_login_creates_one_session_one_token_and_one_event(alice):
    pair = open_session(user=alice, origin=PHONE)
    session = Session.objects.get()
    token = OutstandingToken.objects.get()
    assert session == pair.session
    assert (session.user, session.username, session.current) == (alice, "alice", token)
    assert (session.ip, session.user_agent, session.client) == ("192.0.2.7", "Phone/1", "app")
    assert session.expires_at - session.created_at == timedelta(days=30)
    assert SessionToken.objects.get().session == session
    event = Event.objects.get()
    assert (event.kind, event.actor, event.session_id) == (Kind.LOGIN, alice, session.pk)
    assert (event.jti, event.ip, event.request_id) == (token.jti, "192.0.2.7", "request-1")


def test_repr_of_a_pair_shows_no_token(alice):
    pair = pair_of(alice)
    assert pair.refresh not in repr(pair)
    assert pair.access not in repr(pair)
    assert "eyJ" not in repr(pair)


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "argon2$new"}])
def test_login_is_refused_if_the_account_changed_during_it(alice, change):
    User.objects.update(**change)
    with pytest.raises(LoginSuperseded):
        open_session(user=alice)
    assert not Session.objects.exists()


def test_login_of_a_deleted_account_is_refused(alice):
    User.objects.filter(pk=alice.pk).delete()
    with pytest.raises(LoginSuperseded):
        open_session(user=alice)
    assert kinds() == [Kind.USER_DELETED]


def test_login_after_a_cutoff_from_a_faster_clock_is_valid(alice):
    ahead = timezone.now() + timedelta(seconds=30)
    Cutoff.objects.create(user=alice, not_before=ahead, reason="test")
    assert pair_of(alice).session.created_at == ahead
