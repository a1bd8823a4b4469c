"""The trail by its filters: each alone and all together, and never a scan."""

from datetime import timedelta
from itertools import combinations
from uuid import UUID

import pytest
from django.utils import timezone

from tokens.models import Event, Kind
from tokens.selectors import events as selector
from tokens.selectors import paging
from tokens.selectors.events import events, trail

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
    """Each of the filters holds for one in two, in all combinations."""
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
def test_pages_hold_what_the_filters_say(many, monkeypatch, number, limit):
    """``limit`` 10: each filter alone leaves more than a page looks through."""
    for module in (selector, paging):
        monkeypatch.setattr(module, "LOOK", limit)
    for names in combinations(FILTERS, number):
        wanted = {name: FILTERS[name] for name in names}
        assert whole(trail(**wanted)) == [event.pk for event in events(**wanted)], wanted


def test_refreshes_are_found_without_an_index_of_theirs(many):
    wanted = {"kind": Kind.REFRESH}
    assert whole(trail(**wanted)) == [event.pk for event in events(**wanted)]
    assert len(whole(trail(**wanted))) == 128


def test_no_address_finds_nothing(many):
    assert not trail(ip="nowhere").page()
    assert not trail(ip="nowhere", kind=Kind.LOGIN).page()
