"""Show the overview: the figures and charts of the service, and what needs attention."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.keys import in_database
from tokens.keyring.acts import last_token_expires
from tokens.listing.attention import RULES, Finding, find_attention, rules_for
from tokens.listing.events import latest
from tokens.listing.jobs import open_proposals, selection_of, unfinished_jobs
from tokens.listing.query import Text
from tokens.listing.stats import (
    Bucket,
    Crowd,
    Sums,
    activity,
    crowded_users,
    daily_activity,
    last_of,
    live_sessions,
    sums,
)
from tokens.listing.users import holders
from tokens.models import Kind, Measure, Proposal, RevocationJob, SigningKey
from tokens.models.kinds import SECURITY_KINDS
from tokens.models.signing_key import KeyState
from tokens.permissions import CUT_OFF, REVOKE, VIEW_EVENTS, VIEW_KEYS, VIEW_SESSIONS
from tokens.revocation import may_read_job
from tokens.services import reach_of_latest_bulk
from tokens.staff.charts import (
    SHORTEST_DAY,
    TRAFFIC,
    TROUBLE,
    change,
    chart,
    events_address,
    sparkline,
)
from tokens.staff.guards import staff_only

HOUR = timedelta(hours=1)
SHOWN = 8
# How long before a retired key can be removed the page says so.
KEY_NEAR = timedelta(days=7)
# The same for a key of the ring, which `purge_tokens` retires.
RING_KEY_NEAR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figure:
    """The number of one measure in the last 24 hours, with the points of its sparkline.

    ``address`` lists the events that were counted.
    """

    measure: Measure
    name: str
    number: int
    change: str
    points: str
    address: str


@dataclass(frozen=True, slots=True)
class Attention:
    """Hold what needs attention now. False if nothing does.

    ``hidden`` names what the viewer may not see of it.
    """

    crowds: list[Crowd]
    key_until: datetime | None
    keys: list[tuple[SigningKey, datetime]]
    jobs: list[RevocationJob]
    proposals: list[Proposal]
    findings: list[Finding]
    hidden: list[Text]

    def __bool__(self) -> bool:
        return any(
            (self.crowds, self.key_until, self.keys, self.jobs, self.proposals, self.findings)
        )


@require_GET
@staff_only
def index(request: HttpRequest) -> HttpResponse:
    """Render the overview. Figures and charts need the permission to view events."""
    now = clock.now()
    context: dict[str, object] = {"live": live_sessions(), "now": now}
    if request.user.has_perm(VIEW_EVENTS):
        known = sums()
        hours, days = _hours(now, known), _days(now, known)
        context |= {
            "figures": figures(hours),
            "behind": known.behind,
            "periods": [
                _period(_("Last 24 hours, by the hour"), hours[24:]),
                _period(_("Last 30 days, by the day"), days),
            ],
            "security": latest(kinds=SECURITY_KINDS, number=SHOWN),
        }
    if request.user.has_perm(VIEW_EVENTS) or request.user.has_perm(REVOKE):
        context["reach"] = reach_of_latest_bulk()
    context["look"] = attention(user=request.user, now=now)
    if not request.user.has_perm(CUT_OFF):
        context["may_cut_off"] = holders(permission=CUT_OFF)
    return render(request, "tokens/staff/overview.html", context)


def figures(hours: list[Bucket]) -> list[Figure]:
    """Return a figure for each measure: the last 24 of 48 hours, compared with the 24 before."""
    found = []
    for measure in Measure:
        values = [bucket.counts[measure] for bucket in hours]
        today, before = sum(values[24:]), sum(values[:24])
        found.append(
            Figure(
                measure,
                str(measure.label),
                today,
                change(now=today, before=before),
                sparkline(values[24:]),
                events_address(measure, hours[24], hours[-1]),
            )
        )
    return found


def attention(*, user: AbstractUser | AnonymousUser, now: datetime) -> Attention:
    """Return what needs attention, as far as ``user`` may see it."""
    sees_sessions = user.has_perm(VIEW_SESSIONS)
    sees_events = user.has_perm(VIEW_EVENTS)
    shown = rules_for(user)
    hidden = [rule.label for rule in RULES if rule not in shown]
    hidden += [] if sees_events else [_("retired keys")]
    hidden += [] if sees_sessions else [_("users with many sessions")]
    return Attention(
        crowds=crowded_users() if sees_sessions else [],
        key_until=_key_until(now) if sees_events else None,
        keys=_ending_keys(now) if user.has_perm(VIEW_KEYS) else [],
        findings=find_attention(viewer=user, now=now),
        jobs=_readable_jobs(user) if user.has_perm(REVOKE) else [],
        proposals=_readable_proposals(user) if user.has_perm(REVOKE) else [],
        hidden=hidden if user.has_perm(REVOKE) else [*hidden, _("unfinished revocations")],
    )


def _readable_jobs(user: AbstractUser | AnonymousUser) -> list[RevocationJob]:
    readable = (job for job in unfinished_jobs().iterator() if may_read_job(job=job, actor=user))
    jobs = list(islice(readable, SHOWN))
    for job in jobs:
        job.readable = selection_of(job) is not None
    return jobs


def _readable_proposals(user: AbstractUser | AnonymousUser) -> list[Proposal]:
    """Return the open proposals, which there are only with TWO_PERSON_OVER."""
    if not app_settings.TWO_PERSON_OVER:
        return []
    cuts_off = user.has_perm(CUT_OFF)
    readable = (
        one
        for one in open_proposals().iterator()
        if may_read_job(job=one.job, actor=user) and (cuts_off or not one.job.for_everybody)
    )
    return list(islice(readable, SHOWN))


def _key_until(now: datetime) -> datetime | None:
    """Return when the retired key can be removed, if that is near or past.

    Its last tokens expire after SESSION_DAYS. None if there is no retired key, or if the keys
    are in the database, where `purge_tokens` retires them.
    """
    if in_database() or not app_settings.JWT_RETIRED_KEYS:
        return None
    retired = last_of(kind=Kind.KEY_RETIRED)
    until = retired + timedelta(days=app_settings.SESSION_DAYS) if retired else None
    return until if until is not None and until <= now + KEY_NEAR else None


def _ending_keys(now: datetime) -> list[tuple[SigningKey, datetime]]:
    """Return the keys of the ring whose last token expires soon, or has, with that instant.

    `purge_tokens` then retires them.
    """
    if not in_database():
        return []
    keys = SigningKey.objects.defer("protected").filter(state=KeyState.VERIFYING).order_by("pk")
    dated = ((key, last_token_expires(key)) for key in keys)
    soon = now + RING_KEY_NEAR
    return [(key, until) for key, until in dated if until is not None and until <= soon]


def _hours(now: datetime, known: Sums) -> list[Bucket]:
    until = now.replace(minute=0, second=0, microsecond=0) + HOUR
    return activity(since=until - 48 * HOUR, until=until, step=HOUR, known=known)


def _days(now: datetime, known: Sums) -> list[Bucket]:
    """Return 30 days that begin at midnight in the viewer's time zone."""
    return daily_activity(last=now, number=30, known=known)


def _period(title: str, buckets: list[Bucket]) -> dict[str, object]:
    return {
        "title": title,
        "charts": [
            chart(title=_("Logins and refreshes"), buckets=buckets, measures=TRAFFIC),
            chart(title=_("Refusals, revocations and reuse"), buckets=buckets, measures=TROUBLE),
        ],
        "names": [measure.label for measure in Measure],
        "rows": [
            (
                bucket.start,
                [(bucket.counts[m], events_address(m, bucket)) for m in Measure],
            )
            for bucket in reversed(buckets)
        ],
        "hourly": buckets[1].start - buckets[0].start < SHORTEST_DAY,
    }
