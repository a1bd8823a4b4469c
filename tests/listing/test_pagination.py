"""Lists page by key: forth and back show every row once, in one order."""

from datetime import UTC, datetime, timedelta

import pytest

from tokens.listing.events import KEY, EventQuery
from tokens.listing.pagination import page_of
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


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WyJvbGRlciIsICIyMDI2IiwgIjEiXQ", "é"])
def test_broken_cursor_gives_the_first_page(trail, cursor):
    assert ids(page_of(EventQuery().rows(), key=KEY, cursor=cursor)) == ids(
        page_of(EventQuery().rows(), key=KEY)
    )


def test_cursor_with_a_key_of_another_type_gives_the_first_page(trail):
    cursor = "WyJvbGRlciIsICIyMDI2LTAxLTAxVDEyOjAwOjAwKzAwOjAwIiwgIm5vdCBhIG51bWJlciJd"
    assert ids(page_of(EventQuery().rows(), key=KEY, cursor=cursor)) == ids(
        page_of(EventQuery().rows(), key=KEY)
    )


def test_list_without_rows_is_an_empty_page(db):
    page = page_of(EventQuery().rows(), key=KEY)
    assert not page
    assert (page.newer, page.older) == ("", "")
