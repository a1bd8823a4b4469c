"""A session keeps the addresses and devices that it was seen at, and any of them finds it."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.tokens import jti, later, pair_of
from tokens.db.session_origins import KEPT
from tokens.listing.events import EventQuery
from tokens.listing.sessions import SessionQuery, add_origins
from tokens.listing.tokens import TokenQuery
from tokens.management.purge import purge_sessions, purge_tokens
from tokens.models import Session, SessionOrigin
from tokens.origin import Origin
from tokens.revocation import Selection, preview, revoke_matching
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import renew, rotate

OFFICE = Origin(ip="203.0.113.7", user_agent="Mozilla/5.0 Firefox/142.0")
HOME = Origin(ip="2001:db8:0:1::5", user_agent="Mozilla/5.0 Firefox/142.0")
PHONE = Origin(ip="203.0.113.7", user_agent="Mozilla/5.0 (iPhone) Safari/604.1")


def move(pair, *origins, by=rotate):
    for origin in origins:
        pair = by(refresh=pair.refresh, origin=origin)
    return pair


def seen(pk):
    session = Session.objects.get(pk=pk)
    add_origins([session])
    return [(origin.ip, origin.user_agent) for origin in session.seen]


@pytest.fixture
def moved(alice):
    """Open a session in the office, and move it home."""
    return move(open_session(user=alice, origin=OFFICE), HOME)


def test_session_that_never_moved_was_seen_at_its_address(alice):
    opened = open_session(user=alice, origin=OFFICE)
    with later(hours=1):
        last = rotate(refresh=opened.refresh, origin=OFFICE).session.last_used_at
        session = Session.objects.get()
        add_origins([session])
    (only,) = session.seen
    assert (only.ip, only.user_agent) == (OFFICE.ip, OFFICE.user_agent)
    assert (only.first_seen_at, only.last_seen_at) == (session.created_at, last)
    assert not SessionOrigin.objects.exists()


@pytest.mark.parametrize("by", [rotate, renew])
def test_session_keeps_each_address_and_device_it_was_seen_at(alice, by):
    pair = open_session(user=alice, origin=OFFICE)
    began = Session.objects.get().created_at
    with later(hours=1):
        pair = move(pair, HOME, by=by)
    with later(hours=2):
        pair = move(pair, PHONE, OFFICE, by=by)
    session = Session.objects.get()
    add_origins([session])
    assert [(o.ip, o.user_agent) for o in session.seen] == [
        (o.ip, o.user_agent) for o in (OFFICE, PHONE, HOME)
    ]
    assert session.earlier == [HOME.ip]
    office, _phone, home = session.seen
    assert office.first_seen_at == began
    assert office.last_seen_at == session.last_used_at
    assert began < home.first_seen_at == home.last_seen_at < office.last_seen_at


def test_retry_from_another_address_is_kept(alice):
    first = open_session(user=alice, origin=OFFICE)
    rotate(refresh=first.refresh, origin=OFFICE)
    rotate(refresh=first.refresh, origin=HOME)
    assert [ip for ip, _agent in seen(first.session.pk)] == [HOME.ip, OFFICE.ip]


def test_number_of_addresses_is_bounded(alice):
    pair = open_session(user=alice, origin=OFFICE)
    places = [Origin(ip=f"198.51.100.{number}", user_agent="curl") for number in range(KEPT + 3)]
    move(pair, *places)
    assert seen(pair.session.pk) == [(one.ip, "curl") for one in reversed(places[3:])]


def test_refresh_from_another_address_runs_no_more_statements(alice):
    pair = move(open_session(user=alice, origin=OFFICE), OFFICE)
    counts = []
    for origin in (OFFICE, HOME, HOME):
        with CaptureQueriesContext(connection) as ran:
            pair = rotate(refresh=pair.refresh, origin=origin)
        counts.append(len(ran))
    assert len(set(counts)) == 1
    assert len(seen(pair.session.pk)) == 2


@pytest.mark.parametrize(
    "address",
    [OFFICE.ip, HOME.ip, "203.0.113.0/24", "203.0.113.6/31", "203.0.0.0/9", "2001:db8::/32",
     "2001:db8:0:1::/64", "2001:db8:0:1::/68", "::ffff:203.0.113.0/120", "0.0.0.0/0", "::/0"],
)  # fmt: skip
def test_any_address_of_a_session_finds_it(moved, address):
    for given in ({"ip": address}, {"q": address}):
        for query in (SessionQuery(**given), SessionQuery(**given, status="active")):
            assert [one.pk for one in query.listing().page().rows] == [moved.session.pk]
        tokens = TokenQuery(**given, status="active").listing().page().rows
        assert [one.jti for one in tokens] == [jti(moved.refresh)]
        assert len(TokenQuery(**given).listing().page().rows) == 2
        assert preview(selection=Selection(matching=SessionQuery(**given))).sessions == 1
        events = EventQuery(**given)
        assert {one.session_id for one in events.listing().page().rows} == {moved.session.pk}
        assert set(events.rows()) == set(events.listing().page(size=100).rows)


@pytest.mark.parametrize(
    "address",
    ["203.0.113.8", "203.0.113.8/29", "198.51.100.0/24", "2001:db8:0:2::/64", "2001:db9::/32",
     "fe80::/10", "rubbish", "203.0.113.0/33"],
)  # fmt: skip
def test_another_address_does_not_find_it(moved, address):
    for query in (SessionQuery(ip=address), TokenQuery(ip=address), EventQuery(ip=address)):
        assert not query.listing().page().rows
    assert not preview(selection=Selection(matching=SessionQuery(ip=address)))


def test_two_addresses_find_who_was_at_both(moved, bob):
    open_session(user=bob, origin=OFFICE)
    for query in (
        SessionQuery(ip=OFFICE.ip, q=HOME.ip),
        SessionQuery(ip="2001:db8::/32", q="203.0.113.0/24"),
    ):
        assert [one.pk for one in query.listing().page().rows] == [moved.session.pk]
        assert preview(selection=Selection(matching=query)).sessions == 1
    assert len(TokenQuery(ip=OFFICE.ip, q=HOME.ip).listing().page().rows) == 2


def test_revocation_by_address_ends_those_who_have_moved_on(moved, bob):
    stayed, other = open_session(user=bob, origin=OFFICE), pair_of(bob)
    query = SessionQuery(ip="203.0.113.0/24")
    assert len(query.listing().page().rows) == 2
    selection = Selection(matching=query)
    assert preview(selection=selection).sessions == 2
    assert revoke_matching(selection=selection, actor=None, reason="x").sessions == 2
    ended = Session.objects.exclude(revoked_at=None)
    assert {one.pk for one in ended} == {moved.session.pk, stayed.session.pk}
    assert other.session.pk not in {one.pk for one in ended}


def test_pages_and_api_show_the_addresses(moved, client, sam, login):
    address = f"/staff/sessions/{moved.session.pk}/"
    client.force_login(sam)
    page = client.get(address).content.decode()
    assert page.index(HOME.ip) < page.index("/staff/sessions/?ip=203.0.113.7&amp;status=active")
    assert OFFICE.ip in client.get(f"/admin/tokens/session/{moved.session.pk}/change/").text
    bearer = {"Authorization": f"Bearer {login(client, sam)['access']}"}
    answer = client.get(f"/api{address}".rstrip("/"), headers=bearer).json()
    assert [one["ip"] for one in answer["addresses"]] == [HOME.ip, OFFICE.ip]
    client.force_login(moved.session.user)
    assert f"before: {OFFICE.ip}" in client.get("/account/sessions/").text


def test_addresses_are_purged_with_their_session(moved):
    end = Session.objects.get().expires_at
    with later(days=60):
        list(purge_tokens(before=end, reason=""))
        list(purge_sessions(before=end.replace(year=end.year + 1), reason=""))
    assert not Session.objects.exists()
    assert not SessionOrigin.objects.exists()


@pytest.mark.parametrize("address", ["203.0.113.7", "203.0.113.0/24", "2001:db8::/32"])
def test_search_by_address_uses_an_index(moved, address):
    query = SessionQuery(ip=address).live_sessions().values("pk")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The tables of a test are too small for an index to be cheaper.
            cursor.execute("SET LOCAL enable_seqscan = off")
            # Which of two indexes of one row is cheaper depends on what ran before.
            cursor.execute(
                "INSERT INTO tokens_sessionorigin"
                " (session_id, ip, user_agent, first_seen_at, last_seen_at)"
                " SELECT gen_random_uuid(), inet '10.0.0.0' + n, '', now(), now()"
                " FROM generate_series(1, 2000) AS n"
            )
            cursor.execute("ANALYZE tokens_sessionorigin")
    plan = query.explain()
    assert "tokens_origin_ip" in plan
    assert "tokens_session_ip" in plan
    assert not re.search(r"Seq Scan on tokens_|SCAN tokens_\w+$", plan, re.MULTILINE), plan
