"""Every filter and every kind of search finds the right rows in the right order."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.support.bulk_sessions import hold
from tests.support.tokens import later, pair_of
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import BlacklistedToken, OutstandingToken, RevokedSession
from tokens.origin import Origin
from tokens.revocation import revoke_session, revoke_user
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate


@pytest.fixture
def held(alice, bob):
    """Alice: one session on 10.0.0.9, refreshed once. Bob: one session, revoked."""
    where = Origin(ip="10.0.0.9", user_agent="Mozilla/5.0 Firefox/133.0", client="cli")
    first = open_session(user=alice, origin=where)
    second = rotate(refresh=first.refresh, origin=where)
    ended = pair_of(bob)
    revoke_session(session=ended.session, actor=None, reason="lost device")
    return {"used": first, "current": second, "ended": ended}


def jtis(**filters):
    return [token.jti for token in TokenQuery(**filters).listing().page().rows]


def sids(**filters):
    return [session.pk for session in SessionQuery(**filters).listing().page().rows]


def stored(held):
    used, current = OutstandingToken.objects.filter(user__username="alice").order_by("id")
    (ended,) = OutstandingToken.objects.filter(user__username="bob")
    return used.jti, current.jti, ended.jti


def test_list_without_filters_starts_with_the_newest_token(held):
    used, current, ended = stored(held)
    assert jtis() == [ended, current, used]


def test_status_filter_finds_the_tokens_of_that_status(held):
    used, current, ended = stored(held)
    assert jtis(status="active") == [current]
    assert jtis(status="rotated") == [used]
    assert jtis(status="revoked") == [ended]
    assert jtis(status="expired") == []
    with later(days=8):
        assert jtis(status="expired") == [current]
        assert jtis(status="active") == []


def test_last_revoked_session_comes_first_however_old_it_is(alice):
    old, new = pair_of(alice).session, pair_of(alice).session
    for session in (new, old):
        revoke_session(session=session, actor=None, reason="lost device")
    assert sids(status="revoked") == [old.pk, new.pk]
    assert jtis(status="revoked") == [old.current.jti, new.current.jti]
    first = SessionQuery(status="revoked").listing().page(size=1)
    assert SessionQuery(status="revoked").listing().page(cursor=first.older, size=1).rows == [new]


def test_session_appears_once_among_the_revoked(held, bob):
    session = held["ended"].session
    revoke_session(session=session, actor=bob, reason="once more")
    assert sids(status="revoked") == [session.pk]
    assert RevokedSession.objects.count() == 1


def test_list_of_active_sessions_skips_revoked_ones(alice, bob):
    (kept,) = hold(bob, 1)
    hold(alice, 100)
    revoke_user(user=alice, actor=None, reason="left the company")
    assert sids(status="active") == [kept.pk]
    assert jtis(status="active") == [kept.current.jti]
    assert sids(status="expired") == []


def test_status_filter_finds_the_sessions_of_that_status(held):
    alices, bobs = held["current"].session.pk, held["ended"].session.pk
    assert sids(status="active") == [alices]
    assert sids(status="revoked") == [bobs]
    with later(days=8):
        assert sids(status="expired") == [alices]
        assert sids(status="active") == []


@pytest.mark.parametrize("q", ["alice", "ALI", "alice@example.com", "Alice@Ex", "10.0.0.9"])
def test_search_finds_tokens_by_person_or_address(held, q):
    used, current, _ = stored(held)
    assert jtis(q=q) == [current, used]
    assert sids(q=q) == [held["current"].session.pk]


def test_search_finds_tokens_by_jti_its_start_and_sid(held):
    used, current, _ = stored(held)
    sid = held["current"].session.pk
    assert jtis(q=used) == [used]
    assert jtis(q=used[:20]) == [used]
    assert jtis(q=str(sid)) == [current, used]
    assert sids(q=used[:20]) == [sid]
    assert sids(q=str(sid)) == [sid]


@pytest.mark.parametrize("q", ["nobody", "%", "_", "a\0b", "'--", "x" * 3000, "10.0.0.300"])
def test_search_without_a_match_finds_nothing(held, q):
    assert jtis(q=q) == []
    assert sids(q=q) == []


def test_several_filters_narrow_the_list_together(held, alice):
    used, current, ended = stored(held)
    now = timezone.now()
    assert jtis(user=alice.pk, status="active") == [current]
    assert jtis(ip="10.0.0.9", status="rotated") == [used]
    assert jtis(device="firefox") == [current, used]
    assert jtis(client="cli", q=used) == [used]
    assert jtis(issued_after=now - timedelta(minutes=1)) == [ended, current, used]
    assert jtis(issued_before=now - timedelta(minutes=1)) == []
    assert jtis(expires_after=now + timedelta(days=8)) == []
    assert sids(device="firefox", client="cli") == [held["current"].session.pk]
    assert sids(used_before=now - timedelta(minutes=1)) == []
    assert jtis(ip="nonsense") == sids(ip="nonsense") == []


def test_token_of_another_service_is_found_by_user_and_status(bob):
    token = OutstandingToken.objects.create(
        user=bob, jti="f" * 32, token="a.b.", expires_at=timezone.now() + timedelta(days=1)
    )
    assert jtis(user=bob.pk, status="active") == [token.jti]
    BlacklistedToken.objects.create(token=token)
    assert jtis(user=bob.pk, status="revoked") == [token.jti]


def test_list_filtered_by_status_pages_by_key(alice):
    opened = [pair_of(alice).session.pk for _ in range(5)]
    listing = SessionQuery(status="active").listing()
    seen, cursor = [], ""
    while True:
        page = listing.page(cursor=cursor, size=2)
        seen += [session.pk for session in page.rows]
        cursor = page.older
        if not cursor:
            break
    assert sorted(seen) == sorted(opened)
    assert len(seen) == len(opened)


def test_search_that_stopped_at_its_limit_continues_from_there(alice, monkeypatch):
    monkeypatch.setattr("tokens.listing.sessions.LOOK", 1)
    first = pair_of(alice)
    for _ in range(4):
        open_session(user=alice, origin=Origin(user_agent="curl"))
    found, cursor, pages = [], "", 0
    while True:
        page = SessionQuery(device="nothing like it").listing().page(cursor=cursor, size=2)
        found += page.rows
        pages += 1
        assert page.partial is bool(page.older)
        cursor = page.older
        if not cursor:
            break
    assert found == []
    assert pages == 3
    assert first.session.pk in sids()


def test_last_use_filter_finds_the_tokens_of_the_session(held):
    used, current, ended = stored(held)
    now = timezone.now()
    assert jtis(used_after=now - timedelta(minutes=1), status="rotated") == [used]
    assert sorted(jtis(used_after=now - timedelta(minutes=1))) == sorted([ended, current, used])
    assert jtis(used_before=now - timedelta(minutes=1)) == []
