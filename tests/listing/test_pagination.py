"""Lists page by key: forth and back show every row once, in one order."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from tokens.listing.events import KEY, EventQuery
from tokens.listing.pagination import InvalidCursor, Listing, page_of
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import Event, Kind

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def trail(db):
    """Seven lines; four of one instant, so that only the id tells them apart."""
    minutes = [0, 1, 1, 1, 1, 2, 3]
    return [
        Event.objects.create(kind=Kind.LOGIN, at=NOON + timedelta(minutes=minute))
        for minute in minutes
    ]


def ids(page):
    return [event.pk for event in page.rows]


def test_paging_to_older_rows_shows_every_row_once(trail):
    seen, cursor = [], ""
    while True:
        page = page_of(EventQuery().rows(), key=KEY, cursor=cursor, size=3)
        seen += ids(page)
        cursor = page.older
        if not cursor:
            break
    assert seen == [event.pk for event in reversed(trail)]


def test_newer_cursor_leads_back_to_the_same_page(trail):
    first = page_of(EventQuery().rows(), key=KEY, size=3)
    second = page_of(EventQuery().rows(), key=KEY, cursor=first.older, size=3)
    again = page_of(EventQuery().rows(), key=KEY, cursor=second.newer, size=3)
    assert ids(again) == ids(first)
    assert again.newer == ""
    assert again.older == first.older


def test_new_row_shifts_no_row_to_another_page(trail):
    first = page_of(EventQuery().rows(), key=KEY, size=3)
    expected = ids(page_of(EventQuery().rows(), key=KEY, cursor=first.older, size=3))
    Event.objects.create(kind=Kind.LOGIN, at=NOON + timedelta(hours=1))
    assert ids(page_of(EventQuery().rows(), key=KEY, cursor=first.older, size=3)) == expected


def written(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        *("x", "é", written(), written(None), written("", "older", " 2026", " 1")),
        written("", "older", NOON.isoformat(), "not a number"),
        written("", "older", NOON.replace(tzinfo=None).isoformat(), "1"),
        written("", "sideways", NOON.isoformat(), "1"),
        written("", "older", "1"),
        written("", "older", NOON.isoformat(), 1),
        written("other", "older", NOON.isoformat(), "1"),
    ],
)
def test_cursor_that_is_none_of_the_list_gives_the_first_page(trail, cursor):
    listing = Listing(rows=EventQuery().rows(), key=KEY)
    assert ids(listing.page(cursor=cursor)) == ids(listing.page())
    with pytest.raises(InvalidCursor):
        listing.exact_page(cursor=cursor)


@pytest.mark.usefixtures("trail")
def test_cursor_is_of_one_list_with_its_filters():
    filtered = EventQuery(kind=Kind.LOGIN, after=NOON)
    cursor = filtered.listing().page(size=2).older
    assert filtered.listing().exact_page(cursor=cursor, size=3).rows
    for other in (
        EventQuery(),
        EventQuery(kind=Kind.LOGIN),
        EventQuery(kind=Kind.LOGIN, after=NOON + timedelta(seconds=1)),
        SessionQuery(),
        TokenQuery(),
    ):
        with pytest.raises(InvalidCursor):
            other.listing().exact_page(cursor=cursor)


def test_list_without_rows_is_an_empty_page(db):
    page = page_of(EventQuery().rows(), key=KEY)
    assert not page
    assert (page.newer, page.older) == ("", "")
