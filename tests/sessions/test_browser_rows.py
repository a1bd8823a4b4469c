"""Each browser session has a row, which lists it and ends it, with any session engine."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from tests.security.test_browser_sessions import (
    DJANGO,
    ENGINES,
    MODEL_BACKEND,
    OURS,
    browser,
    logged_in,
    urlpatterns,
)
from tests.support.clock import travel
from tests.support.tokens import later
from tests.support.users import PASSWORD, make_staff
from tokens.listing.browsers import browser_sessions
from tokens.models import BrowserSession, Event, Kind
from tokens.origin import Origin, acting_from
from tokens.revocation import (
    Selection,
    cut_off,
    revoke_browser_session,
    revoke_matching,
    revoke_user,
)
from tokens.sessions.browsers import keep_browser_session
from tokens.validation.browser import OPENED, ROW, VALID_FROM, is_over
from tokens.web.session_store import SessionStore, stored_key

__all__ = ["urlpatterns"]
PAGE = "/account/sessions/"


@pytest.fixture(params=ENGINES)
def engine(request, settings):
    name = request.param
    settings.SESSION_ENGINE = name if "." in name else f"django.contrib.sessions.backends.{name}"


@pytest.fixture
def alice(db):
    return make_staff("alice")


def row_of(client: Client) -> BrowserSession:
    return BrowserSession.objects.get(pk=client.session[ROW])


def end(client: Client, user) -> bool:
    return bool(
        revoke_browser_session(browser=row_of(client), user=user, actor=None, reason="lost")
    )


def is_open(client: Client) -> bool:
    return client.get(PAGE).status_code == 200


# --- Opening.


def test_login_adds_a_row_with_address_and_device(alice):
    client = Client(headers={"user-agent": "Mozilla/5.0 Firefox/142.0"}, REMOTE_ADDR="192.0.2.7")
    client.post("/account/login/", {"username": "alice", "password": PASSWORD})
    row = row_of(client)
    assert (row.user_id, row.ip, row.user_agent) == (
        alice.pk,
        "192.0.2.7",
        "Mozilla/5.0 Firefox/142.0",
    )
    assert row.opened_at == row.valid_from == row.last_used_at
    assert row.ends_at - row.opened_at == timedelta(minutes=60)
    assert browser_sessions(user=alice) == [row]


def test_key_of_the_cookie_is_not_in_the_row(alice):
    client = browser(alice)
    row = str(BrowserSession.objects.values().get())
    cookie = client.cookies["sessionid"].value
    assert cookie not in row
    assert stored_key(cookie) not in row


def test_id_of_the_row_changes_at_each_login(alice):
    client = browser(alice)
    before = row_of(client)
    client.force_login(alice)
    after = row_of(client)
    assert after.pk != before.pk
    assert browser_sessions(user=alice) == [after]


def test_id_that_was_planted_before_a_login_counts_for_nothing(alice, bob):
    planted = browser(bob).session[ROW]
    client = Client()
    session = client.session
    session[ROW] = planted
    session.save()
    client.cookies["sessionid"] = session.session_key
    client.post("/account/login/", {"username": "alice", "password": PASSWORD})
    assert client.session[ROW] != planted
    assert [str(row.pk) for row in browser_sessions(user=bob)] == [planted]


def test_row_of_another_user_opens_nothing(alice, bob):
    client, other = browser(alice), browser(bob)
    session = client.session
    session[ROW] = other.session[ROW]
    session.save()
    assert not is_open(client)


# --- Ending.


def test_revoked_browser_session_is_over_at_its_next_request(engine, alice):
    held, other = browser(alice), browser(alice)
    assert end(held, alice)
    assert (logged_in(held), logged_in(other)) == (False, True)


def test_revocation_is_an_event_with_the_id(alice, sam):
    held = browser(alice)
    row = row_of(held)
    for expected in (True, False):
        ended = revoke_browser_session(browser=row, user=alice, actor=sam, reason="lost device")
        assert bool(ended) is expected
    event = Event.objects.get(kind=Kind.REVOKE_BROWSERS)
    assert (event.actor, event.subject, event.reason) == (sam, alice, "lost device")
    assert event.data["browser"] == str(row.pk)
    assert browser_sessions(user=alice) == []


@pytest.mark.parametrize("leave", ["revocation", "logout"])
def test_copy_of_the_cookie_opens_nothing_after_its_end(engine, alice, leave):
    """With signed cookies, the cookie itself is the session, and a copy lasts."""
    held = browser(alice)
    copy = Client()
    copy.cookies["sessionid"] = held.cookies["sessionid"].value
    assert is_open(copy)
    if leave == "logout":
        held.post("/account/logout/")
    else:
        end(held, alice)
    assert not is_open(copy)


@pytest.mark.parametrize("page", ["/staff/login/", "/admin/login/"])
def test_login_of_another_user_ends_the_one_before(engine, bob, sam, page):
    held = browser(bob)
    copy = Client()
    copy.cookies["sessionid"] = held.cookies["sessionid"].value
    held.post(page, {"username": "sam", "password": PASSWORD})
    assert held.session[SESSION_KEY] == str(sam.pk)
    assert len(browser_sessions(user=sam)) == 1
    assert browser_sessions(user=bob) == []
    assert not is_open(copy)
    event = Event.objects.get(kind=Kind.LOGOUT)
    assert (event.actor, event.subject, event.data) == (bob, bob, {"what": "browser session"})


def test_missing_row_means_over(engine, alice):
    held = browser(alice)
    BrowserSession.objects.all().delete()
    assert not is_open(held)


def test_logout_ends_the_row(alice):
    held = browser(alice)
    held.post("/account/logout/")
    assert browser_sessions(user=alice) == []


def test_idle_browser_session_ends(engine, alice, settings):
    settings.BROWSER_IDLE_MINUTES = 60
    held = browser(alice)
    for minutes in (50, 100):
        with later(minutes=minutes):
            assert is_open(held)
    with later(minutes=161):
        assert browser_sessions(user=alice) == []
        assert not is_open(held)


def test_browser_session_ends_however_often_it_is_used(engine, alice, settings):
    settings.BROWSER_HOURS, settings.BROWSER_IDLE_MINUTES = 2, 60
    settings.SESSION_SAVE_EVERY_REQUEST = True
    held = browser(alice)
    for minutes in (50, 100):
        with later(minutes=minutes):
            assert is_open(held)
            held.post("/account/sessions/end/")
    with later(minutes=121):
        assert browser_sessions(user=alice) == []
        assert not is_open(held)


def test_browser_session_lasts_as_long_as_its_cookie_without_settings(engine, alice, settings):
    settings.BROWSER_HOURS = settings.BROWSER_IDLE_MINUTES = 0
    settings.SESSION_SAVE_EVERY_REQUEST, settings.SESSION_COOKIE_AGE = True, 14 * 86_400
    held = browser(alice)
    for days in (13, 26, 39):
        with later(days=days):
            call_command("purge_tokens", verbosity=0)
            assert is_open(held)
            assert len(browser_sessions(user=alice)) == 1


# --- Use.


def test_use_is_written_at_most_once_a_minute(alice):
    held = browser(alice)
    start = timezone.now()
    begun = row_of(held).last_used_at
    for seconds, written in ((30, False), (70, True), (100, False)):
        with travel(start + timedelta(seconds=seconds)):
            held.get(PAGE, headers={"user-agent": "later"}, REMOTE_ADDR="192.0.2.9")
        row = row_of(held)
        assert (row.last_used_at > begun) is written
        begun = row.last_used_at
    assert (row.ip, row.user_agent) == ("192.0.2.9", "later")


def test_page_of_a_used_browser_session_needs_one_more_statement_a_minute(
    alice, django_assert_num_queries
):
    held = browser(alice)
    with travel(timezone.now()), django_assert_num_queries(4):
        held.get("/account/password/")
    with later(minutes=2), django_assert_num_queries(5):
        held.get("/account/password/")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_browser_session_goes_on_where_the_database_takes_no_writes(alice, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    known, older = browser(alice), browser(alice)
    forget(older)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with later(minutes=2):
            for client in (known, older, known, older):
                assert client.get("/account/password/").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")


# --- Browser sessions from before there were rows.


def forget(client: Client, *names: str) -> None:
    """Take away what this release keeps in a browser session."""
    session = client.session
    BrowserSession.objects.filter(pk=session[ROW]).delete()
    for name in (ROW, VALID_FROM, *names):
        session.pop(name, None)
    session.save()
    if session.session_key != client.cookies["sessionid"].value:
        client.cookies["sessionid"] = session.session_key


@pytest.mark.parametrize("names", [(), (OPENED,)], ids=["with instant", "without"])
def test_older_browser_session_gets_one_row_at_its_next_request(engine, alice, names):
    held = browser(alice)
    forget(held, *names)
    for _ in range(3):
        assert is_open(held)
    (row,) = browser_sessions(user=alice)
    assert row.user_id == alice.pk


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("names", [(), (OPENED,)], ids=["with instant", "without"])
def test_older_browser_session_keeps_the_id_of_its_row(engine, alice, names):
    held = browser(alice)
    forget(held, *names)
    assert is_open(held)
    assert browser_sessions(user=alice) == [row_of(held)]
    assert {SESSION_KEY, ROW, OPENED} <= {*held.session.keys()}
    assert is_open(held)


def test_two_first_requests_at_once_add_one_row(alice):
    held = browser(alice)
    forget(held)
    sessions = [SessionStore(held.session.session_key) for _ in range(2)]
    users = [User.objects.get(pk=alice.pk) for _ in sessions]
    for session, user in zip(sessions, users, strict=True):
        assert not is_over(session=session, user=user)
    for session, user in zip(sessions, users, strict=True):
        keep_browser_session(session=session, user=user)
    assert BrowserSession.objects.count() == 1


def test_older_browser_session_can_be_revoked(engine, alice):
    held = browser(alice)
    forget(held)
    copy = held.cookies["sessionid"].value
    assert is_open(held)
    (row,) = browser_sessions(user=alice)
    revoke_browser_session(browser=row, user=alice, actor=None, reason="lost")
    assert not is_open(held)
    held.cookies["sessionid"] = copy
    assert not is_open(held)


def test_cutoff_ends_an_older_browser_session_that_has_a_row_since(alice):
    held = browser(alice)
    forget(held, OPENED)
    assert is_open(held)
    revoke_user(user=alice, actor=None, reason="x")
    assert not is_open(held)


@pytest.mark.django_db(transaction=True)
def test_rolled_back_view_leaves_no_id_without_a_row(alice):
    held = browser(alice)
    forget(held)
    with transaction.atomic():
        assert is_open(held)
        transaction.set_rollback(True)
    assert not BrowserSession.objects.exists()
    assert is_open(held)


# --- Cutoffs.


def user_revoked(alice, bob):
    revoke_user(user=alice, actor=None, reason="x")


def users_revoked(alice, bob):
    revoke_matching(selection=Selection(users=(alice.pk, bob.pk)), actor=None, reason="x")


def all_cut_off(alice, bob):
    cut_off(not_before=timezone.now(), actor=None, reason="x")


def all_but_superusers(alice, bob):
    everybody = Selection(everybody=True, issued_before=timezone.now(), spare_superusers=True)
    revoke_matching(selection=everybody, actor=None, reason="x")


@pytest.mark.parametrize("act", [user_revoked, users_revoked, all_cut_off, all_but_superusers])
def test_list_shows_what_goes_on_after_a_cutoff(alice, bob, sam, act):
    browser(alice)
    spared = row_of(browser(sam))
    act(alice, bob)
    assert browser_sessions(user=alice) == []
    assert browser_sessions(user=sam) == ([] if act is all_cut_off else [spared])
    new = browser(alice)
    assert browser_sessions(user=alice) == [row_of(new)]


def test_browser_in_which_all_others_are_logged_out_stays_listed(alice):
    held, other = browser(alice), browser(alice)
    opened = row_of(held).opened_at
    held.post("/account/sessions/end/")
    assert (is_open(held), is_open(other)) == (True, False)
    (row,) = browser_sessions(user=alice)
    assert (row, row.opened_at) == (row_of(held), opened)


# --- One definition.


@pytest.mark.parametrize("ends", [-1, 1])
@pytest.mark.parametrize("revoked", [None, -1, 1])
def test_list_and_check_agree(alice, ends, revoked):
    held, now = browser(alice), timezone.now()
    BrowserSession.objects.update(
        ends_at=now + timedelta(minutes=ends),
        revoked_at=revoked and now + timedelta(minutes=revoked),
    )
    listed = bool(browser_sessions(user=alice))
    assert listed is is_open(held)
    assert listed is (revoked is None and ends > 0)


# --- Purge.


def test_purge_deletes_rows_a_day_after_any_copy_of_the_cookie_has_expired(alice):
    held = browser(alice)
    for hours, left in ((36, 1), (38, 0)):
        with later(hours=hours):
            call_command("purge_tokens", verbosity=0)
            assert BrowserSession.objects.count() == left
            assert not is_open(held)


# --- Host projects.


def test_host_with_its_own_backend_needs_one_query_more(alice, settings, django_assert_num_queries):
    settings.ROOT_URLCONF, settings.AUTHENTICATION_BACKENDS = __name__, [MODEL_BACKEND]
    settings.MIDDLEWARE = [OURS, *DJANGO]
    held = Client()
    with acting_from(Origin(ip="192.0.2.7")):
        held.force_login(alice, backend=MODEL_BACKEND)
    with django_assert_num_queries(3):
        assert held.get("/own/page").content == b"alice"
    end(held, alice)
    assert held.get("/own/page").content == b""
