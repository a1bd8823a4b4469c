"""Users see and end their own sessions, and no others."""

import uuid

import pytest
from django.test import Client

from tokens.models import Event, Kind
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected

URL = "/account/sessions/"
MANY = "/account/sessions/end/"
HERE = Origin(ip="127.0.0.1", user_agent="Mozilla/5.0 Firefox/142.0")
AWAY = Origin(ip="192.0.2.7", user_agent="Mozilla/5.0 (iPhone) Safari/604.1")


def end_url(session):
    return f"{URL}{session.pk}/end/"


@pytest.fixture
def own(client, alice):
    client.force_login(alice)
    client.defaults["HTTP_USER_AGENT"] = HERE.user_agent
    return client


def alive(pair):
    try:
        rotate(refresh=pair.refresh)
    except TokenRejected:
        return False
    return True


def test_it_lists_my_sessions_and_marks_this_device(own, alice, bob):
    here = open_session(user=alice, origin=HERE)
    away = open_session(user=alice, origin=AWAY)
    open_session(user=bob, origin=AWAY)
    answer = own.get(URL)
    assert answer.context["own"].here == [here.session]
    assert answer.context["own"].elsewhere == [away.session]
    assert answer.text.count("This device<") == 1


def test_nothing_is_logged_in(own):
    assert "No app or device is logged in" in own.get(URL).text


def test_ending_one_asks_first_and_ends_only_it(own, alice):
    lost, kept = open_session(user=alice, origin=AWAY), open_session(user=alice, origin=HERE)
    question = own.get(end_url(lost.session))
    assert "192.0.2.7" in question.text
    answer = own.post(end_url(lost.session), follow=True)
    assert answer.redirect_chain == [(URL, 302)]
    assert "The session is logged out" in answer.text
    assert (alive(lost), alive(kept)) == (False, True)
    event = Event.objects.get(kind=Kind.REVOKE_SESSION)
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)


def test_asking_ends_nothing(own, alice):
    pair = open_session(user=alice, origin=AWAY)
    for url in (end_url(pair.session), MANY, f"{MANY}?keep={pair.session.pk}"):
        assert own.get(url).status_code == 200
    assert alive(pair)


def test_everywhere_else_keeps_the_one_that_was_chosen(own, alice):
    here, away = open_session(user=alice, origin=HERE), open_session(user=alice, origin=AWAY)
    url = f"{MANY}?keep={here.session.pk}"
    assert "192.0.2.7" in own.get(url).text
    assert "1 session is logged out" in own.post(url, follow=True).text
    assert (alive(here), alive(away)) == (True, False)


def test_all_of_them(own, alice, bob):
    mine = [open_session(user=alice, origin=origin) for origin in (HERE, AWAY)]
    others = open_session(user=bob)
    assert "2 sessions are logged out" in own.post(MANY, follow=True).text
    assert [alive(pair) for pair in (*mine, others)] == [False, False, True]


def test_repeating_it_is_harmless(own, alice):
    pair = open_session(user=alice)
    for url in (end_url(pair.session), MANY):
        own.post(url)
        events = Event.objects.count()
        assert "nothing to log out" in own.post(url, follow=True).text
        assert Event.objects.count() == events
    assert "nothing to log out" in own.get(end_url(pair.session), follow=True).text


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_not_mine_is_not_there(own, alice, bob, sam, method):
    others = open_session(user=bob)
    ended = open_session(user=alice)
    revoke_session(session=ended.session, actor=sam, reason="x")
    events = Event.objects.count()
    for url in (end_url(others.session), f"{URL}{uuid.uuid4()}/end/"):
        assert getattr(own, method)(url).status_code == 404
    for keep in (others.session.pk, ended.session.pk, "rubbish"):
        assert getattr(own, method)(f"{MANY}?keep={keep}").status_code == 404
    assert Event.objects.count() == events
    assert alive(others)


def test_staff_s_reason_is_not_shown(own, alice, sam):
    pair = open_session(user=alice, origin=AWAY)
    revoke_session(session=pair.session, actor=sam, reason="suspected theft")
    text = own.get(URL).text
    assert "Revoked by staff" in text
    assert "suspected theft" not in text


def test_markup_in_a_device_is_inert(own, alice):
    attack = "<script>alert(1)</script>"
    pair = open_session(user=alice, origin=Origin(user_agent=attack, client=attack))
    for url in (URL, MANY, end_url(pair.session)):
        assert attack not in own.get(url).text


def test_posts_need_their_csrf_token(alice):
    pair = open_session(user=alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(MANY).status_code == 403
    assert client.post(end_url(pair.session)).status_code == 403
    assert alive(pair)


def test_anonymous_visitor_is_asked_to_log_in(client, db):
    for url in (URL, MANY, f"{URL}{uuid.uuid4()}/end/"):
        answer = client.get(url)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/account/login/?next=")


def test_the_number_of_queries_does_not_grow(own, alice, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries():
        with CaptureQueriesContext(connection) as seen:
            own.get(URL)
        return len(seen)

    open_session(user=alice, origin=HERE)
    few = queries()
    for origin in (HERE, AWAY, AWAY):
        open_session(user=alice, origin=origin)
    assert queries() == few
