"""The charts are right in a month in which the clocks change, in every time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from tests.support.clock import travel
from tokens.audit.rollup import roll_up
from tokens.listing.stats import activity, daily_activity
from tokens.models import Event, Kind, Measure
from tokens.staff.charts import TRAFFIC, chart

pytestmark = pytest.mark.django_db
# A zone and a day on which its clocks change.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Santiago", date(2026, 4, 4)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Pacific/Auckland", date(2026, 9, 27)),
    ("Asia/Kolkata", date(2026, 3, 29)),
    ("Pacific/Chatham", date(2026, 4, 5)),
    ("UTC", date(2026, 3, 29)),
]


@pytest.mark.parametrize(("zone", "changing"), CHANGES)
@pytest.mark.parametrize("rolled", [False, True])
def test_each_event_is_in_the_column_of_its_day(zone, changing, rolled):
    local = ZoneInfo(zone)
    last = datetime.combine(changing + timedelta(days=5), datetime.min.time(), local)
    events = []
    for at in range(0, 24 * 12, 3):
        # Whole hours in UTC, as the roll-up counts, or the end of one.
        for minutes in (0, 59):
            instant = last.astimezone(UTC).replace(minute=0) - timedelta(hours=at)
            events.append(Event(kind=Kind.LOGIN, at=instant + timedelta(minutes=minutes)))
    Event.objects.bulk_create(events)
    if rolled:
        list(roll_up())
    with timezone.override(zone):
        found = daily_activity(last=last, number=30)
        drawn = chart(title="x", buckets=found, measures=TRAFFIC)
    days = [bucket.start.astimezone(local).date() for bucket in found]
    assert days == [last.date() - timedelta(days=29 - at) for at in range(30)]
    labels = [column.label for column in drawn.columns]
    assert labels == [f"{day:%B} {day.day}" for day in days]
    hours = [at.replace(minute=0) for at in Event.objects.values_list("at", flat=True)]
    # An hour of UTC belongs to the day in which it begins.
    for day, bucket in zip(days, found, strict=True):
        expected = sum(hour.astimezone(local).date() == day for hour in hours)
        assert bucket.counts[Measure.LOGINS] == expected, day


@pytest.mark.parametrize(("zone", "changing"), CHANGES)
def test_overview_on_the_days_around_a_change(client, sam, settings, zone, changing):
    settings.TIME_ZONE = zone
    for days in (0, 1):
        noon = datetime.combine(changing, datetime.min.time(), UTC) + timedelta(days=days, hours=12)
        with travel(noon, tick=False):
            client.force_login(sam)
            assert client.get("/staff/").status_code == 200


def test_two_hours_with_one_name_are_told_apart():
    until = datetime(2026, 10, 25, 6, tzinfo=UTC)
    hour = timedelta(hours=1)
    with timezone.override("Europe/Berlin"):
        buckets = activity(since=until - 10 * hour, until=until, step=hour)
        labels = [c.label for c in chart(title="x", buckets=buckets, measures=TRAFFIC).columns]
    assert len(set(labels)) == len(labels)
    assert [label for label in labels if label.startswith("2 a.m.")] == [
        "2 a.m. CEST",
        "2 a.m. CET",
    ]


def test_last_day_of_a_change_is_not_taken_for_hours():
    with timezone.override("Europe/Berlin"):
        found = daily_activity(last=datetime(2026, 3, 30, 12, tzinfo=UTC), number=2)
        drawn = chart(title="x", buckets=found, measures=TRAFFIC)
    assert [column.label for column in drawn.columns] == ["March 29", "March 30"]
