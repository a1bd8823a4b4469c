"""Count events and sessions for the figures and charts of the overview."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from datetime import timezone as fixed_zone
from itertools import chain, groupby

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from tokens.db import clock
from tokens.db.event_ids import last_id
from tokens.db.hours import UtcHour
from tokens.listing.estimates import Estimate, counted
from tokens.listing.events import EventQuery
from tokens.listing.status import Status, live, unended, with_session_status
from tokens.models import Event, Rollup, Session, TrailReader
from tokens.models.kinds import MEASURED_KINDS
from tokens.validation.token_context import EPOCH

# A chart counts up to this many events that aren't in the roll-up yet. `seal_events` updates the
# roll-up each minute.
TAIL = 100_000
UTC = timezone.get_fixed_timezone(0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Hold the number of events by `Measure` in the whole hours of UTC from ``since`` to ``until``.

    ``start`` is where the bucket begins on the viewer's clock, up to an hour before ``since``.
    """

    start: datetime
    since: datetime
    until: datetime
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class Sums:
    """Hold the position of the roll-up.

    ``tail_from`` is the id of the last event that charts don't count themselves. ``behind`` says
    that there are more events after the roll-up than a chart counts.
    """

    tail_from: int
    behind: bool


def sums() -> Sums:
    reached = TrailReader.objects.filter(name="rollup").values_list("last_id", flat=True).first()
    summed, least = reached or 0, last_id() - TAIL
    return Sums(max(summed, least), behind=summed < least)


def activity(
    *, since: datetime, until: datetime, step: timedelta, known: Sums | None = None
) -> list[Bucket]:
    """Count the events by `Measure`, in buckets of ``step`` (whole hours) from ``since`` on.

    Events are counted by the hour in UTC; an hour that overlaps two buckets belongs to the one it
    begins in. If the roll-up is behind, the events between it and the newest ones are left out.
    ``known`` saves the query for the position of the roll-up.
    """
    starts = [since + step * number for number in range(-(-(until - since) // step))]
    buckets = [Bucket(start, start, start + step, Counter()) for start in starts]
    wanted = {"kind__in": list(MEASURED_KINDS)}
    # The roll-up has most hours. The tail is the events that are not in it yet.
    tail_from = (known or sums()).tail_from
    began = since.replace(minute=0, second=0, microsecond=0)
    hours = Rollup.objects.filter(**wanted, hour__gte=began, hour__lt=until)
    rolled: Iterable[tuple[datetime, str, int]]
    if step % DAY == timedelta(0):
        # A month has thousands of hourly rows. The database adds them up by days, which begin
        # at the same time of day as ``since``.
        day = TruncDay("hour", tzinfo=_zone_of(midnight=since))
        days = hours.annotate(day=day).values_list("day", "kind")
        rolled = days.annotate(number=Sum("events")).order_by()
    else:
        rolled = hours.values_list("hour", "kind", "events")
    tail = (
        Event.objects.filter(**wanted, pk__gt=tail_from, at__gte=since, at__lt=until)
        .annotate(hour=UtcHour("at"))
        .values_list("hour", "kind")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for hour, kind, number in chain(rolled, tail):
        place = max(0, (hour - since) // step)
        buckets[place].counts[MEASURED_KINDS[kind]] += number
    return buckets


def daily_activity(*, last: datetime, number: int, known: Sums | None = None) -> list[Bucket]:
    """Count the events by `Measure`, in ``number`` days of the current time zone up to ``last``.

    A day on which the clocks change has 23 or 25 hours.
    """
    known = known or sums()
    today, zone = timezone.localtime(last).date(), timezone.get_current_timezone()
    starts = [
        datetime.combine(today + DAY * (at - number), time.min, zone).astimezone(UTC)
        for at in range(1, number + 2)
    ]
    # The first hour of UTC that begins in a day.
    hours = [-(-(start - EPOCH) // HOUR) * HOUR + EPOCH for start in starts]
    buckets: list[Bucket] = []
    # One query counts the days that begin at the same time of day in UTC.
    for _clock, same in groupby(range(number), lambda at: hours[at].time()):
        days = list(same)
        since, until = hours[days[0]], hours[days[-1] + 1]
        found = activity(since=since, until=until, step=DAY, known=known)
        for longer in found[len(days) :]:
            found[len(days) - 1].counts.update(longer.counts)
        buckets += [
            Bucket(starts[at], hours[at], hours[at + 1], one.counts)
            for at, one in zip(days, found, strict=False)
        ]
    return buckets


def _zone_of(*, midnight: datetime) -> tzinfo:
    """Return a zone in which ``midnight`` is 00:00, as an offset that every database knows."""
    utc = midnight.astimezone(UTC)
    minutes = 60 * utc.hour + utc.minute
    return fixed_zone(timedelta(minutes=-minutes if minutes < 720 else 1440 - minutes))


def live_sessions(*, limit: int = 10_000) -> Estimate:
    """Count the live sessions, up to ``limit``.

    The count walks the index of ``ends_at``. If many sessions are revoked, it stops after
    ``limit`` and a quarter more rows.
    """
    look = limit + limit // 4 + 1
    newest = Session.objects.filter(ends_at__gt=clock.now()).order_by("-ends_at", "-id")[:look]
    live = Count("pk", filter=Q(status=Status.ACTIVE))
    found = with_session_status(newest).aggregate(seen=Count("pk"), live=live)
    return counted(found["live"], limit, stopped=found["seen"] == look)


def estimate_live_sessions(*, limit: int = 1_000) -> int:
    """Return about how many sessions are live; the exact number if it is at most ``limit``.

    Beyond that, PostgreSQL's planner estimates how many have neither ended nor been revoked. On
    SQLite, they are counted up to ten times ``limit``.
    """
    if connection.vendor != "postgresql":
        return live_sessions(limit=10 * limit).number
    if (found := live_sessions(limit=limit)).exact:
        return found.number
    plan = json.loads(unended(Session.objects.order_by()).explain(format="json"))
    return max(limit, int(plan[0]["Plan"]["Plan Rows"]))


@dataclass(frozen=True, slots=True)
class Crowd:
    """Hold a user with many live sessions. If it isn't ``exact``, there may be more of them."""

    user_id: int
    username: str
    sessions: int
    exact: bool


def crowded_users(*, at_least: int = 10, among: int = 5_000, most: int = 5) -> list[Crowd]:
    """Return the users with the most live sessions among the newest ``among`` sessions.

    Python counts them: a GROUP BY would make the database look up each session once more.
    """
    newest = live(Session.objects.exclude(user=None)).order_by("-created_at")
    rows = list(newest.values_list("user_id", "username")[:among])
    names, held = dict(rows), Counter(key for key, _name in rows)
    all_read = len(rows) < among
    crowds = [
        Crowd(key, names[key], number, all_read)
        for key, number in held.items()
        if number >= at_least
    ]
    return sorted(crowds, key=lambda crowd: (-crowd.sessions, crowd.user_id))[:most]


def last_of(*, kind: str) -> datetime | None:
    """Return the instant of the last event of a kind, None if there is none."""
    return EventQuery(kind=kind).rows().values_list(F("at"), flat=True).first()
