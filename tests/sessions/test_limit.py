"""A login beyond MAX_SESSIONS ends the user's oldest sessions."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.clock import travel
from tests.support.tokens import failed, pair_of
from tokens.listing.status import live
from tokens.models import Event, Kind, Session
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.sessions.limit import AT_ONCE
from tokens.sessions.refresh import rotate


def opened(user, *, hours_ago):
    with travel(timezone.now() - timedelta(hours=hours_ago)):
        return pair_of(user)


def test_login_beyond_the_limit_ends_the_oldest_session(alice, bob, settings):
    settings.MAX_SESSIONS = 2
    other = opened(bob, hours_ago=9)
    oldest, newer = opened(alice, hours_ago=5), opened(alice, hours_ago=4)
    oldest = rotate(refresh=oldest.refresh)
    newest = open_session(user=alice)
    assert failed(oldest.access) == failed(oldest.refresh) == "revoked"
    assert [failed(pair.refresh) for pair in (newer, newest, other)] == [None] * 3
    event = Event.objects.get(kind=Kind.REVOKE_SESSION)
    assert (event.subject, event.actor, event.reason) == (alice, None, "too many sessions")
    assert event.session_id == oldest.session.pk


def test_ended_sessions_do_not_count(alice, settings):
    settings.MAX_SESSIONS = 2
    kept, ended = opened(alice, hours_ago=5), opened(alice, hours_ago=4)
    revoke_session(session=ended.session, actor=None, reason="lost device")
    open_session(user=alice)
    assert failed(kept.refresh) is None


def test_no_limit_unless_it_is_set(alice):
    pairs = [open_session(user=alice) for _ in range(5)]
    assert [failed(pair.access) for pair in pairs] == [None] * 5


def test_new_limit_ends_what_is_beyond_it_login_by_login(alice, settings):
    for _ in range(AT_ONCE + 5):
        open_session(user=alice)
    settings.MAX_SESSIONS = 3
    open_session(user=alice)
    assert live(Session.objects.filter(user=alice)).count() == 6
    open_session(user=alice)
    assert live(Session.objects.filter(user=alice)).count() == 3


def test_limit_costs_one_query_and_none_while_it_is_off(alice, settings):
    with CaptureQueriesContext(connection) as off:
        open_session(user=alice)
    settings.MAX_SESSIONS = 10
    with CaptureQueriesContext(connection) as on:
        open_session(user=alice)
    assert len(on) - len(off) == 1


@pytest.mark.django_db(transaction=True)
def test_logins_at_once_leave_no_more_sessions_than_the_limit(alice, settings):
    settings.MAX_SESSIONS = 3

    def log_in(_number):
        try:
            return open_session(user=alice)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log_in, range(16)))
    assert live(Session.objects.filter(user=alice)).count() == 3
    assert Event.objects.filter(kind=Kind.REVOKE_SESSION).count() == 13
