"""An instant before which every token is dead; the later one wins, in whichever order."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tests.support.tokens import failed, kinds, pair_of, status_of
from tokens.models import BlacklistedToken, Cutoff, Event, EventTarget, Kind, Session
from tokens.revocation import Revocation, count_all, cut_off, revoke_user
from tokens.revocation.cutoffs import before, set_cutoff


def hour(number):
    return timezone.now() + timedelta(hours=number)


def opened(user, at):
    pair = pair_of(user)
    Session.objects.filter(pk=pair.session.pk).update(created_at=at)
    return pair


def test_cutoff_of_a_user_ends_only_their_older_sessions(alice, bob, sam):
    old, new, other = opened(alice, hour(-2)), pair_of(alice), opened(bob, hour(-2))
    ended = cut_off(user=alice, not_before=hour(-1), actor=sam, reason="stolen laptop")
    assert ended == Revocation(1, 1, 1)
    assert failed(old.refresh) == failed(old.access) == "revoked"
    assert failed(new.refresh) is failed(other.refresh) is None
    event = Event.objects.get(kind=Kind.CUTOFF)
    assert (event.actor, event.subject, event.reason) == (sam, alice, "stolen laptop")
    assert event.count == 1


def test_cutoff_for_everybody_ends_all_older_sessions(alice, bob):
    pairs = [pair_of(alice), pair_of(bob)]
    assert cut_off(not_before=timezone.now(), actor=None, reason="breach").users == 2
    assert {failed(pair.refresh) for pair in pairs} == {"revoked"}
    assert failed(pair_of(alice).refresh) is None


@pytest.mark.parametrize("swap", [False, True])
def test_later_of_two_cutoffs_applies_in_either_order(alice, bob, swap):
    """Held by the cut-off's row alone, as before its sessions are settled."""
    early, late = opened(alice, hour(-5)), opened(alice, hour(-3))
    stranger = opened(bob, hour(-3))
    rows = [{"user": alice, "not_before": hour(-2)}, {"user": None, "not_before": hour(-4)}]
    for row in reversed(rows) if swap else rows:
        set_cutoff(**row, actor=None, reason="test")
    assert failed(early.access) == failed(late.access) == "cut-off"
    assert status_of(late.refresh) == "revoked"
    assert failed(stranger.access) is None


def test_earlier_cutoff_does_not_replace_a_later_one(alice):
    old = opened(alice, hour(-3))
    cut_off(user=alice, not_before=hour(-2), actor=None, reason="a")
    cut_off(user=alice, not_before=hour(-9), actor=None, reason="b")
    Session.objects.update(revoked_at=None)
    BlacklistedToken.objects.all().delete()
    assert failed(old.refresh) == "cut-off"
    assert Cutoff.objects.count() == 1


def test_cutoff_in_the_future_counts_as_now(alice):
    cut_off(user=alice, not_before=hour(5), actor=None, reason="a")
    assert Cutoff.objects.get().not_before <= timezone.now()
    assert failed(pair_of(alice).access) is None


def test_cutoff_without_a_time_zone_is_refused(db):
    with pytest.raises(ValueError, match="aware"):
        cut_off(not_before=datetime(2026, 1, 1), actor=None, reason="x")  # noqa: DTZ001
    assert kinds() == []


def test_repeated_cutoff_ends_nothing_more(alice):
    pair_of(alice)
    at = timezone.now()
    assert cut_off(not_before=at, actor=None, reason="x")
    assert not cut_off(not_before=at, actor=None, reason="x")


@pytest.mark.parametrize("everybody", [True, False], ids=["everybody", "user"])
@pytest.mark.parametrize("listed", [0, 1000])
def test_cutoff_ends_and_counts_only_live_sessions(alice, sam, monkeypatch, everybody, listed):
    monkeypatch.setattr("tokens.revocation.cutoffs.LISTED", listed)
    old, current = pair_of(alice), pair_of(alice)
    Session.objects.filter(pk=old.session.pk).update(ends_at=hour(-1))
    user = None if everybody else alice
    found = count_all(selection=before(user=user, not_before=hour(1)))
    ended = cut_off(user=user, not_before=timezone.now(), actor=sam, reason="breach")
    assert ended == Revocation(1, 1, 1)
    assert (found.tokens, found.sessions, found.users) == (1, 1, 1)
    assert Event.objects.get(kind=Kind.CUTOFF).count == 1
    targets = EventTarget.objects.values_list("session_id", flat=True)
    assert list(targets) == [current.session.pk]
    assert Session.objects.get(pk=old.session.pk).revoke_reason == ""


def test_revocation_of_a_user_counts_only_live_sessions(alice, sam):
    old = pair_of(alice)
    pair_of(alice)
    Session.objects.filter(pk=old.session.pk).update(ends_at=hour(-1))
    assert revoke_user(user=alice, actor=sam, reason="left") == Revocation(1, 1, 1)
    assert failed(old.access) == "cut-off"
