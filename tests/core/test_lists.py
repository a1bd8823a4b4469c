"""What the lists find, and in which order: every filter and every reading of the search."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.support.lifecycle import later, pair_of
from tests.support.many import hold
from tokens.issuing import open_session
from tokens.models import BlacklistedToken, OutstandingToken, RevokedSession
from tokens.origin import Origin
from tokens.revocation import revoke_session, revoke_user
from tokens.rotation import rotate
from tokens.selectors.sessions import sessions
from tokens.selectors.tokens import outstanding_tokens


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
    return [token.jti for token in outstanding_tokens(**filters).page().rows]


def sids(**filters):
    return [session.pk for session in sessions(**filters).page().rows]


def stored(held):
    used, current = OutstandingToken.objects.filter(user__username="alice").order_by("id")
    (ended,) = OutstandingToken.objects.filter(user__username="bob")
    return used.jti, current.jti, ended.jti


def test_without_filters_the_last_recorded_comes_first(held):
    used, current, ended = stored(held)
    assert jtis() == [ended, current, used]


def test_each_status_has_its_tokens(held):
    used, current, ended = stored(held)
    assert jtis(status="active") == [current]
    assert jtis(status="rotated") == [used]
    assert jtis(status="revoked") == [ended]
    assert jtis(status="expired") == []
    with later(days=8):
        assert jtis(status="expired") == [current]
        assert jtis(status="active") == []


def test_the_last_revoked_comes_first_however_old_it_is(alice):
    old, new = pair_of(alice).session, pair_of(alice).session
    for session in (new, old):
        revoke_session(session=session, actor=None, reason="lost device")
    assert sids(status="revoked") == [old.pk, new.pk]
    assert jtis(status="revoked") == [old.current.jti, new.current.jti]
    first = sessions(status="revoked").page(size=1)
    assert sessions(status="revoked").page(cursor=first.older, size=1).rows == [new]


def test_a_session_appears_once_among_the_revoked(held, bob):
    session = held["ended"].session
    revoke_session(session=session, actor=bob, reason="once more")
    assert sids(status="revoked") == [session.pk]
    assert RevokedSession.objects.count() == 1


def test_what_was_revoked_is_passed_over_on_the_way_to_the_active(alice, bob):
    (kept,) = hold(bob, 1)
    hold(alice, 100)
    revoke_user(user=alice, actor=None, reason="left the company")
    assert sids(status="active") == [kept.pk]
    assert jtis(status="active") == [kept.current.jti]
    assert sids(status="expired") == []


def test_each_status_has_its_sessions(held):
    alices, bobs = held["current"].session.pk, held["ended"].session.pk
    assert sids(status="active") == [alices]
    assert sids(status="revoked") == [bobs]
    with later(days=8):
        assert sids(status="expired") == [alices]
        assert sids(status="active") == []


@pytest.mark.parametrize("q", ["alice", "ALI", "alice@example.com", "Alice@Ex", "10.0.0.9"])
def test_search_by_person_or_address(held, q):
    used, current, _ = stored(held)
    assert jtis(q=q) == [current, used]
    assert sids(q=q) == [held["current"].session.pk]


def test_search_by_jti_its_start_and_sid(held):
    used, current, _ = stored(held)
    sid = held["current"].session.pk
    assert jtis(q=used) == [used]
    assert jtis(q=used[:12]) == [used]
    assert jtis(q=str(sid)) == [current, used]
    assert sids(q=used[:12]) == [sid]
    assert sids(q=str(sid)) == [sid]


@pytest.mark.parametrize("q", ["nobody", "%", "_", "a\0b", "'--", "x" * 3000, "10.0.0.300"])
def test_search_for_what_is_not_there(held, q):
    assert jtis(q=q) == []
    assert sids(q=q) == []


def test_filters_narrow_together(held, alice):
    used, current, ended = stored(held)
    now = timezone.now()
    assert jtis(user=alice, status="active") == [current]
    assert jtis(ip="10.0.0.9", status="rotated") == [used]
    assert jtis(device="firefox") == [current, used]
    assert jtis(client="cli", jti=used) == [used]
    assert jtis(issued_after=now - timedelta(minutes=1)) == [ended, current, used]
    assert jtis(issued_before=now - timedelta(minutes=1)) == []
    assert jtis(expires_after=now + timedelta(days=8)) == []
    assert sids(device="firefox", client="cli") == [held["current"].session.pk]
    assert sids(used_before=now - timedelta(minutes=1)) == []
    assert jtis(ip="nonsense") == sids(ip="nonsense") == []


def test_a_token_of_another_service_is_found_by_its_user_and_status(bob):
    token = OutstandingToken.objects.create(
        user=bob, jti="f" * 32, token="a.b.", expires_at=timezone.now() + timedelta(days=1)
    )
    assert jtis(user=bob, status="active") == [token.jti]
    BlacklistedToken.objects.create(token=token)
    assert jtis(user=bob, status="revoked") == [token.jti]


def test_a_list_by_status_pages_by_key(alice):
    opened = [pair_of(alice).session.pk for _ in range(5)]
    listing = sessions(status="active")
    seen, cursor = [], ""
    while True:
        page = listing.page(cursor=cursor, size=2)
        seen += [session.pk for session in page.rows]
        cursor = page.older
        if not cursor:
            break
    assert sorted(seen) == sorted(opened)
    assert len(seen) == len(opened)


def test_a_search_that_stops_at_its_limit_goes_on_from_there(alice, monkeypatch):
    monkeypatch.setattr("tokens.selectors.sessions.LOOK", 1)
    first = pair_of(alice)
    for _ in range(4):
        open_session(user=alice, origin=Origin(user_agent="curl"))
    found, cursor, pages = [], "", 0
    while True:
        page = sessions(device="nothing like it").page(cursor=cursor, size=2)
        found += page.rows
        pages += 1
        assert page.partial is bool(page.older)
        cursor = page.older
        if not cursor:
            break
    assert found == []
    assert pages == 3
    assert first.session.pk in sids()


def test_tokens_are_found_by_the_last_use_of_their_session(held):
    used, current, ended = stored(held)
    now = timezone.now()
    assert jtis(used_after=now - timedelta(minutes=1), status="rotated") == [used]
    assert sorted(jtis(used_after=now - timedelta(minutes=1))) == sorted([ended, current, used])
    assert jtis(used_before=now - timedelta(minutes=1)) == []
