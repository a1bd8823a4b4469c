"""What happened how often: the figures and charts of the overview."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from datetime import timezone as fixed_zone
from enum import StrEnum
from itertools import chain
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDay, TruncHour
from django.utils import timezone

from tokens.models import Event, Kind, Rollup, Session, TrailReader
from tokens.selectors.events import events
from tokens.selectors.status import live

# How many events that are in no sum yet a chart counts itself; `seal_events` sums each minute.
TAIL = 100_000
UTC = timezone.get_fixed_timezone(0)
DAY = timedelta(days=1)


class Measure(StrEnum):
    LOGINS = "logins"
    REFRESHES = "refreshes"
    REFUSALS = "refusals"
    REUSE = "reuse"
    REVOCATIONS = "revocations"


MEASURES: dict[str, Measure] = {
    Kind.LOGIN: Measure.LOGINS,
    Kind.REFRESH: Measure.REFRESHES,
    Kind.LOGIN_REFUSED: Measure.REFUSALS,
    # The attempt that locks is refused too, and has no event of its own beside this one.
    Kind.LOGIN_LOCKED: Measure.REFUSALS,
    Kind.REUSE: Measure.REUSE,
    Kind.REVOKE_TOKEN: Measure.REVOCATIONS,
    Kind.REVOKE_SESSION: Measure.REVOCATIONS,
    Kind.REVOKE_USER: Measure.REVOCATIONS,
    Kind.REVOKE_MATCHING: Measure.REVOCATIONS,
    Kind.CUTOFF: Measure.REVOCATIONS,
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened from ``start`` until the next bucket's; zero for what did not."""

    start: datetime
    counts: Counter[str]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A count; ``more`` says that it stopped at a limit, so that there may be more."""

    number: int
    more: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """How far the roll-up has come; ``behind`` that a chart can no longer count the rest."""

    tail_from: int
    behind: bool


def sums() -> Sums:
    reached = TrailReader.objects.filter(name="rollup").values_list("last_id", flat=True).first()
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first()
    summed, least = reached or 0, (newest or 0) - TAIL
    return Sums(max(summed, least), behind=summed < least)


def activity(
    *, since: datetime, until: datetime, step: timedelta, known: Sums | None = None
) -> list[Bucket]:
    """Events by `Measure`, in buckets of ``step`` (whole hours) from ``since`` on. Counted by
    the hour in UTC; an hour that straddles two buckets belongs to the one it begins in. Where
    the sums are behind (`sums`, asked here unless ``known``), what lies between them and the
    newest events is left out."""
    buckets = [
        Bucket(since + step * number, Counter()) for number in range(-(-(until - since) // step))
    ]
    wanted = {"kind__in": list(MEASURES)}
    # Summed already, and the tail that is not: a range of one index, and a short one.
    tail_from = (known or sums()).tail_from
    began = since.replace(minute=0, second=0, microsecond=0)
    rolled: Any = Rollup.objects.filter(**wanted, hour__gte=began, hour__lt=until)
    if step % DAY == timedelta(0):
        # A month of hours is thousands of rows; the database adds them up to days, which begin
        # when ``since`` does.
        day = TruncDay("hour", tzinfo=_zone_of(midnight=since))
        rolled = rolled.annotate(day=day).values_list("day", "kind")
        rolled = rolled.annotate(number=Sum("events")).order_by()
    else:
        rolled = rolled.values_list("hour", "kind", "events")
    tail = (
        Event.objects.filter(**wanted, pk__gt=tail_from, at__gte=since, at__lt=until)
        .annotate(hour=TruncHour("at", tzinfo=UTC))
        .values_list("hour", "kind")
        .annotate(number=Count("pk"))
        .order_by()
    )
    for hour, kind, number in chain(rolled, tail):
        place = max(0, (hour - since) // step)
        buckets[place].counts[MEASURES[kind]] += number
    return buckets


def _zone_of(*, midnight: datetime) -> tzinfo:
    """One where it is midnight then, by a name that every database understands."""
    utc = midnight.astimezone(UTC)
    minutes = 60 * utc.hour + utc.minute
    return fixed_zone(timedelta(minutes=-minutes if minutes < 720 else 1440 - minutes))


def live_sessions(*, limit: int = 10_000) -> Bounded:
    """How many sessions can still be refreshed, counted as far as ``limit``, along the index
    of when they end. It stops a quarter behind ``limit`` where many were revoked."""
    look = limit + limit // 4 + 1
    unended = Session.objects.filter(ends_at__gt=timezone.now()).order_by("-ends_at", "-id")
    found = unended[:look].aggregate(seen=Count("pk"), live=Count("pk", filter=Q(revoked_at=None)))
    return Bounded(min(found["live"], limit), found["live"] > limit or found["seen"] == look)


@dataclass(frozen=True, slots=True)
class Crowd:
    user_id: int
    username: str
    sessions: int


def crowded_users(*, at_least: int = 10, among: int = 5_000, most: int = 5) -> list[Crowd]:
    """The users with unusually many live sessions among the newest ``among``, most first.
    Counted here: to group them there, the database would look each of them up once more."""
    newest = live(Session.objects.exclude(user=None)).order_by("-created_at")
    rows = list(newest.values_list("user_id", "username")[:among])
    names, held = dict(rows), Counter(key for key, _name in rows)
    crowds = [Crowd(key, names[key], number) for key, number in held.items() if number >= at_least]
    return sorted(crowds, key=lambda crowd: (-crowd.sessions, crowd.user_id))[:most]


def last_of(*, kind: str) -> datetime | None:
    """When something last happened, if ever."""
    return events(kind=kind).values_list("at", flat=True).first()
