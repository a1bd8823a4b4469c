"""Calls that anyone can repeat write one event in a window; the next event counts the others."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.support.tokens import pair_of
from tokens.management import purge
from tokens.models import Event, EventWindow, Kind
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate

pytestmark = pytest.mark.django_db


def later():
    """Let every window end."""
    EventWindow.objects.update(opened_at=timezone.now() - timedelta(minutes=2))


def test_retries_of_a_session_write_one_event_in_a_window(alice):
    pair = open_session(user=alice)
    rotate(refresh=pair.refresh)
    for _ in range(5):
        rotate(refresh=pair.refresh)
    (event,) = Event.objects.filter(kind=Kind.REFRESH_RETRY)
    assert "left_out" not in event.data
    later()
    rotate(refresh=pair.refresh)
    _first, second = Event.objects.filter(kind=Kind.REFRESH_RETRY).order_by("pk")
    assert second.data["left_out"] == 4


def test_another_session_has_a_window_of_its_own(alice):
    for _ in range(2):
        pair = open_session(user=alice)
        for _ in range(3):
            rotate(refresh=pair.refresh)
    assert Event.objects.filter(kind=Kind.REFRESH_RETRY).count() == 2


def test_refused_calls_of_a_user_write_one_event_for_each_permission(alice):
    client = Client(raise_request_exception=False)
    bearer = {"Authorization": f"Bearer {pair_of(alice).access}"}
    for number in range(4):
        for path in ("events", f"users/{number}", f"tokens/{number}"):
            assert client.get(f"/api/staff/{path}", headers=bearer).status_code == 403
        assert client.post("/api/introspect", {"token": "x"}, headers=bearer).status_code == 403
    wanted = [e.data["wanted"] for e in Event.objects.filter(kind=Kind.PERMISSION_DENIED)]
    assert len(wanted) == 3
    assert Event.objects.filter(kind=Kind.INTROSPECTION_REFUSED).count() == 1
    later()
    assert client.get("/api/staff/events", headers=bearer).status_code == 403
    assert Event.objects.latest("pk").data["left_out"] == 3


def test_refused_pages_write_one_event(client, alice):
    client.force_login(alice)
    for _ in range(3):
        assert client.get("/staff/events/").status_code == 403
        assert client.get("/admin/tokens/event/").status_code in (302, 403)
    assert Event.objects.filter(kind=Kind.PERMISSION_DENIED).count() <= 2


def test_purge_counts_what_no_later_event_has_counted(alice):
    pair = open_session(user=alice)
    for _ in range(5):
        rotate(refresh=pair.refresh)
    now = timezone.now()
    purge.purge_windows(now=now, reason="old")
    assert EventWindow.objects.count() == 1
    purge.purge_windows(now=now + timedelta(days=2), reason="old")
    event = Event.objects.get(kind=Kind.PURGED)
    assert (event.count, event.data) == (3, {"what": "events that were left out"})
    assert EventWindow.objects.count() == 0


def test_event_that_cannot_be_written_opens_no_window(alice, refuse_events):
    from django.db import DatabaseError, transaction

    from tokens import audit

    event = audit.build_event(kind=Kind.PERMISSION_DENIED, actor=alice)
    with pytest.raises(DatabaseError), transaction.atomic():
        audit.write_bounded(event, about=(alice.pk,))
    assert EventWindow.objects.count() == 0
