"""Check the filters of the trail, each alone and all together."""

from datetime import timedelta
from itertools import combinations
from uuid import UUID

import pytest
from django.utils import timezone

from tokens.listing import events as selector
from tokens.listing import pagination as paging
from tokens.listing.events import EventQuery
from tokens.models import Event, Kind

pytestmark = pytest.mark.django_db
SESSION = UUID("6f1c2c1e-6f63-4bb6-9f0b-2d1f57f5a9a1")
GATEWAY = "203.0.113.7"
FILTERS = {
    "kind": Kind.LOGIN,
    "actor": 1,
    "subject": (2, 3),
    "session": SESSION,
    "jti": "a",
    "ip": GATEWAY,
    "after": timezone.now() - timedelta(hours=30),
}


@pytest.fixture
def many():
    """Write events of which each filter matches half, in all combinations."""
    now = timezone.now()
    Event.objects.bulk_create(
        Event(
            at=now - timedelta(hours=number / 4),
            kind=Kind.LOGIN if number & 1 else Kind.REFRESH,
            actor_id=1 if number & 2 else 9,
            subject_id=2 + number % 3 if number & 4 else 9,
            session_id=SESSION if number & 8 else None,
            jti="a" if number & 16 else "",
            ip=GATEWAY if number & 32 else None,
        )
        for number in range(256)
    )


def whole(listing):
    found, cursor = [], ""
    while True:
        page = listing.page(cursor=cursor, size=7)
        found += page.rows
        cursor = page.older
        if not cursor:
            return [event.pk for event in found]


@pytest.mark.parametrize("limit", [4000, 10])
@pytest.mark.parametrize("number", range(len(FILTERS) + 1))
def test_pages_show_exactly_the_events_of_the_filters(many, monkeypatch, number, limit):
    """With a limit of 10, each filter alone matches more events than one page reads."""
    for module in (selector, paging):
        monkeypatch.setattr(module, "LOOK", limit)
    for names in combinations(FILTERS, number):
        wanted = {name: FILTERS[name] for name in names}
        assert whole(EventQuery(**wanted).listing()) == [
            event.pk for event in EventQuery(**wanted).rows()
        ], wanted


def test_refreshes_are_found_without_an_index(many):
    wanted = {"kind": Kind.REFRESH}
    assert whole(EventQuery(**wanted).listing()) == [
        event.pk for event in EventQuery(**wanted).rows()
    ]
    assert len(whole(EventQuery(**wanted).listing())) == 128


def test_invalid_address_matches_no_event(many):
    assert not EventQuery(ip="nowhere").listing().page()
    assert not EventQuery(ip="nowhere", kind=Kind.LOGIN).listing().page()
