"""An instant before which every token is dead; the later one wins, in whichever order."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tests.support.lifecycle import failed, kinds, pair_of, status_of
from tokens.models import BlacklistedToken, Cutoff, Event, Kind, Session
from tokens.revocation import Revocation, cut_off
from tokens.revocation.cutoffs import set_cutoff


def hour(number):
    return timezone.now() + timedelta(hours=number)


def opened(user, at):
    pair = pair_of(user)
    Session.objects.filter(pk=pair.session.pk).update(created_at=at)
    return pair


def test_a_users_cut_off_ends_what_is_older_and_only_his(alice, bob, sam):
    old, new, other = opened(alice, hour(-2)), pair_of(alice), opened(bob, hour(-2))
    ended = cut_off(user=alice, not_before=hour(-1), actor=sam, reason="stolen laptop")
    assert ended == Revocation(1, 1, 1)
    assert failed(old.refresh) == failed(old.access) == "revoked"
    assert failed(new.refresh) is failed(other.refresh) is None
    event = Event.objects.get(kind=Kind.CUTOFF)
    assert (event.actor, event.subject, event.reason) == (sam, alice, "stolen laptop")
    assert event.count == 1


def test_everybodys_ends_everybodys(alice, bob):
    pairs = [pair_of(alice), pair_of(bob)]
    assert cut_off(not_before=timezone.now(), actor=None, reason="breach").users == 2
    assert {failed(pair.refresh) for pair in pairs} == {"revoked"}
    assert failed(pair_of(alice).refresh) is None


@pytest.mark.parametrize("swap", [False, True])
def test_the_later_one_wins_in_either_order(alice, bob, swap):
    """Held by the cut-off's row alone, as before its sessions are settled."""
    early, late = opened(alice, hour(-5)), opened(alice, hour(-3))
    stranger = opened(bob, hour(-3))
    rows = [{"user": alice, "not_before": hour(-2)}, {"user": None, "not_before": hour(-4)}]
    for row in reversed(rows) if swap else rows:
        set_cutoff(**row, actor=None, reason="test")
    assert failed(early.access) == failed(late.access) == "cut-off"
    assert status_of(late.refresh) == "revoked"
    assert failed(stranger.access) is None


def test_an_earlier_one_weakens_nothing(alice):
    old = opened(alice, hour(-3))
    cut_off(user=alice, not_before=hour(-2), actor=None, reason="a")
    cut_off(user=alice, not_before=hour(-9), actor=None, reason="b")
    Session.objects.update(revoked_at=None)
    BlacklistedToken.objects.all().delete()
    assert failed(old.refresh) == "cut-off"
    assert Cutoff.objects.count() == 1


def test_one_in_the_future_counts_as_now(alice):
    cut_off(user=alice, not_before=hour(5), actor=None, reason="a")
    assert Cutoff.objects.get().not_before <= timezone.now()
    assert failed(pair_of(alice).access) is None


def test_a_naive_instant_is_refused(db):
    with pytest.raises(ValueError, match="aware"):
        cut_off(not_before=datetime(2026, 1, 1), actor=None, reason="x")  # noqa: DTZ001
    assert kinds() == []


def test_repeating_it_ends_nothing_more(alice):
    pair_of(alice)
    at = timezone.now()
    assert cut_off(not_before=at, actor=None, reason="x")
    assert not cut_off(not_before=at, actor=None, reason="x")
