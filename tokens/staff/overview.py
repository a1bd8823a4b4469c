"""The first page: how the service does, and what needs a look."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tokens.models import Event, Kind, RevocationJob
from tokens.selectors.activity import (
    Bucket,
    Crowd,
    Measure,
    Sums,
    activity,
    crowded_users,
    last_of,
    live_sessions,
    sums,
)
from tokens.selectors.events import SECURITY, events, latest
from tokens.selectors.jobs import unfinished_jobs
from tokens.staff.charts import NAMES, TRAFFIC, TROUBLE, change, chart, sparkline
from tokens.staff.guards import REVOKE, staff_only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SHOWN = 8
# How long before a retired key has done its work that is said.
KEY_NEAR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Figure:
    measure: Measure
    name: str
    number: int
    change: str
    points: str


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody should look at; all empty on a good day."""

    reuse: list[Event]
    locked: list[Event]
    crowds: list[Crowd]
    key_until: datetime | None
    jobs: list[RevocationJob]

    def __bool__(self) -> bool:
        seen = (self.reuse, self.locked, self.crowds, self.key_until, self.jobs)
        return any(seen)


@require_GET
@staff_only
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {"live": live_sessions(), "now": now}
    if request.user.has_perm("tokens.view_event"):
        known = sums()
        hours, days = _hours(now, known), _days(now, known)
        context |= {
            "figures": figures(hours),
            "behind": known.behind,
            "periods": [
                _period(_("Last 24 hours, by the hour"), hours[24:]),
                _period(_("Last 30 days, by the day"), days),
            ],
            "security": latest(kinds=SECURITY, number=SHOWN),
        }
    context["look"] = look(user=request.user, now=now)
    return render(request, "staff/overview.html", context)


def figures(hours: list[Bucket]) -> list[Figure]:
    """The headline of each measure over the last 24 of 48 hours, against the 24 before."""
    found = []
    for measure in Measure:
        values = [bucket.counts[measure] for bucket in hours]
        today, before = sum(values[24:]), sum(values[:24])
        found.append(
            Figure(
                measure,
                str(NAMES[measure]),
                today,
                change(now=today, before=before),
                sparkline(values[24:]),
            )
        )
    return found


def look(*, user: Any, now: datetime) -> Look:
    """What ``user`` may know of it."""
    sees_events = user.has_perm("tokens.view_event")
    since = now - DAY
    return Look(
        reuse=list(events(kind=Kind.REUSE, after=since)[:SHOWN]) if sees_events else [],
        locked=list(events(kind=Kind.LOGIN_LOCKED, after=since)[:SHOWN]) if sees_events else [],
        crowds=crowded_users() if user.has_perm("tokens.view_session") else [],
        key_until=_key_until(now) if sees_events else None,
        jobs=list(unfinished_jobs()[:SHOWN]) if user.has_perm(REVOKE) else [],
    )


def _key_until(now: datetime) -> datetime | None:
    """Until when a retired key that is still there has living tokens of its own, if that is past
    or near: no session outlives SESSION_DAYS."""
    if not settings.JWT_RETIRED_KEYS:
        return None
    retired = last_of(kind=Kind.KEY_RETIRED)
    until = retired + timedelta(days=settings.SESSION_DAYS) if retired else None
    return until if until is not None and until <= now + KEY_NEAR else None


def _hours(now: datetime, known: Sums) -> list[Bucket]:
    until = now.replace(minute=0, second=0, microsecond=0) + HOUR
    return activity(since=until - 48 * HOUR, until=until, step=HOUR, known=known)


def _days(now: datetime, known: Sums) -> list[Bucket]:
    """The viewer's own days."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    until = midnight.astimezone(timezone.get_fixed_timezone(0)) + DAY
    return activity(since=until - 30 * DAY, until=until, step=DAY, known=known)


def _period(title: str, buckets: list[Bucket]) -> dict[str, Any]:
    return {
        "title": title,
        "charts": [
            chart(title=_("Logins and refreshes"), buckets=buckets, measures=TRAFFIC),
            chart(title=_("Refusals, revocations and reuse"), buckets=buckets, measures=TROUBLE),
        ],
        "names": [NAMES[measure] for measure in Measure],
        "rows": [
            (bucket.start, [bucket.counts[measure] for measure in Measure])
            for bucket in reversed(buckets)
        ],
        "hourly": buckets[1].start - buckets[0].start < DAY,
    }
