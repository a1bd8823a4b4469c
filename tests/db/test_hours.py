"""Hours are counted as Django counts them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, connections
from django.db.models.functions import TruncHour
from django.test.utils import CaptureQueriesContext

from tokens.db.hours import UtcHour
from tokens.models import Event, Kind

INSTANTS = [
    datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(999, 12, 31, 23, 0, 0, 1, tzinfo=UTC),
]


def hours_by(function):
    rows = Event.objects.annotate(hour=function).order_by("pk")
    return [hour.isoformat() for hour in rows.values_list("hour", flat=True)]


@pytest.fixture
def kept_in_kolkata(db):
    """Keep the instants of the database in another zone than UTC."""
    # `connection` is a proxy, which does not hold the cached properties itself.
    behind = connections[connection.alias]

    def keep(zone):
        behind.settings_dict["TIME_ZONE"] = zone
        for name in ("timezone", "timezone_name"):
            vars(behind).pop(name, None)

    before = behind.settings_dict["TIME_ZONE"]
    keep("Asia/Kolkata")
    yield
    keep(before)


def add_events():
    Event.objects.bulk_create(Event(kind=Kind.LOGIN, at=at) for at in INSTANTS)


def test_hours_are_those_of_django(db):
    add_events()
    with CaptureQueriesContext(connection) as seen:
        assert hours_by(UtcHour("at")) == [
            "2026-03-29T00:00:00+00:00",
            "2026-03-29T01:00:00+00:00",
            "2026-10-24T21:00:00+00:00",
            "0999-12-31T23:00:00+00:00",
        ]
    assert "django_datetime_trunc" not in str(seen.captured_queries)
    assert hours_by(UtcHour("at")) == hours_by(TruncHour("at", tzinfo=UTC))


@pytest.mark.sqlite
def test_hours_of_instants_in_another_zone_are_those_of_django(kept_in_kolkata):
    add_events()
    assert hours_by(UtcHour("at")) == hours_by(TruncHour("at", tzinfo=UTC))
