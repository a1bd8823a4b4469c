from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from tests.audit.events import write
from tokens.audit.rollup import roll_up
from tokens.listing.stats import activity
from tokens.models import Event, Kind, Measure, Rollup

pytestmark = pytest.mark.django_db


def counted():
    now = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    buckets = activity(since=now - timedelta(hours=3), until=now, step=timedelta(hours=1))
    return sum(bucket.counts[Measure.REFRESHES] for bucket in buckets)


def test_charts_count_the_same_before_during_and_after_a_rollup():
    write(5)
    assert counted() == 5
    list(roll_up(size=2))
    assert counted() == 5
    write(3)
    assert counted() == 8
    list(roll_up())
    assert counted() == 8


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Auckland"])
def test_days_follow_the_time_zone_of_the_viewer(zone):
    midnight = datetime(2026, 3, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    for hours in (0, 5, 23, 24, 30, 47):
        Event.objects.create(kind=Kind.LOGIN, at=midnight + timedelta(hours=hours, minutes=40))

    def logins():
        day = timedelta(days=1)
        buckets = activity(since=midnight, until=midnight + 2 * day, step=day)
        return [bucket.counts[Measure.LOGINS] for bucket in buckets]

    assert logins() == [3, 3]
    list(roll_up())
    assert logins() == [3, 3]


def test_second_rollup_adds_nothing():
    write(5, kind=Kind.LOGOUT, count=4)
    list(roll_up())
    list(roll_up())
    row = Rollup.objects.get()
    assert (row.kind, row.events, row.total) == (Kind.LOGOUT, 5, 20)


def test_chart_without_sums_counts_the_newest_events_and_warns(monkeypatch, client, auditor):
    monkeypatch.setattr("tokens.listing.stats.TAIL", 4)
    client.force_login(auditor)
    write(9)
    assert counted() == 4
    assert "manage.py seal_events" in client.get("/staff/").text
    list(roll_up())
    assert counted() == 9
    assert "manage.py seal_events" not in client.get("/staff/").text
