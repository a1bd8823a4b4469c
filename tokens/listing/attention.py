"""Find live sessions that are worth a look, by rules that need no data from elsewhere.

Each rule reads a bounded number of the newest rows of the last day, in the order of an index.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from itertools import pairwise
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.listing.query import Text
from tokens.listing.search import UserKey
from tokens.listing.status import live
from tokens.models import Event, Kind, Session, SessionOrigin

WINDOW = timedelta(days=1)
# How many sessions, addresses of sessions and events a rule reads, and how many findings it shows.
SESSIONS, ORIGINS, EVENTS, SHOWN = 5_000, 1_000, 1_000, 5
MANY_ACCOUNTS = 10
CLOSE = timedelta(minutes=5)
REFUSALS, BEFORE_LOGIN = 5, timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what a rule found: one live session, or all of an ``address``.

    ``key`` names it, so that staff can set it aside. ``detail`` names the two addresses of a move.
    """

    rule: "Rule"
    key: str
    at: datetime
    detail: str
    session: Session | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Declare one rule: its name in the trail, its label, and what it means for staff."""

    name: str
    label: Text
    meaning: Text
    find: "Callable[[Rule, datetime], list[Finding]]"


def find_attention(*, now: datetime | None = None) -> list[Finding]:
    """Return what the rules find in the last day, without what staff have set aside."""
    since = (now or clock.now()) - WINDOW
    fine: dict[tuple[object, object], datetime] = {}
    for data, at in _events(Kind.LOOKS_FINE, since).values_list("data", "at")[:EVENTS]:
        fine.setdefault((data.get("rule"), data.get("key")), at)
    found = []
    for rule in RULES:
        rest = [one for one in rule.find(rule, since) if not _is_fine(one, fine)]
        found += rest[:SHOWN]
    return found


def _is_fine(finding: Finding, fine: dict[tuple[object, object], datetime]) -> bool:
    """Return whether staff have set a finding aside: for a day, or until its session does more."""
    at = fine.get((finding.rule.name, finding.key))
    return at is not None and (finding.session is None or finding.at <= at)


def _many_accounts(rule: Rule, since: datetime) -> list[Finding]:
    newest = live(Session.objects.filter(created_at__gt=since)).order_by("-created_at", "-id")
    rows = newest.values_list("ip", "user_id", "created_at")[:SESSIONS]
    users: dict[str, set[object]] = defaultdict(set)
    last: dict[str, datetime] = {}
    for ip, user, at in rows:
        if ip is None:
            continue
        users[ip].add(user)
        last.setdefault(ip, at)
    crowded = sorted(users, key=lambda ip: -len(users[ip]))
    return [
        Finding(rule, ip, last[ip], "", address=ip)
        for ip in crowded
        if len(users[ip]) >= MANY_ACCOUNTS
    ]


def _moved(rule: Rule, since: datetime) -> list[Finding]:
    newest = SessionOrigin.objects.order_by("-pk").values_list("session_id", "first_seen_at")
    recent = {sid for sid, at in newest[:ORIGINS] if at > since}
    origins: dict[UUID, list[SessionOrigin]] = defaultdict(list)
    for origin in SessionOrigin.objects.filter(session__in=recent).order_by("first_seen_at"):
        origins[origin.session_id].append(origin)
    jumps = {}
    for sid, seen in origins.items():
        for before, after in pairwise(seen):
            # A return to the earlier address moves its last use behind the other's first.
            stayed = before.last_seen_at < after.first_seen_at
            left = before.last_seen_at if stayed else after.last_seen_at
            reached = after.first_seen_at if stayed else before.last_seen_at
            close = abs(reached - left) < CLOSE
            if close and after.first_seen_at > since and _is_elsewhere(before.ip, after.ip):
                jumps[sid] = (after.first_seen_at, f"{before.ip} → {after.ip}")
    return _of_sessions(rule, jumps)


def _retried(rule: Rule, since: datetime) -> list[Finding]:
    rotations = Event.objects.filter(
        session_id=OuterRef("session_id"), kind=Kind.REFRESH, at__lte=OuterRef("at")
    )
    rotated_at = rotations.order_by("-at", "-id").values("ip")[:1]
    retries = _events(Kind.REFRESH_RETRY, since).annotate(rotated_ip=Subquery(rotated_at))
    rows = retries.values_list("session_id", "at", "rotated_ip", "ip")[:EVENTS]
    found = {
        sid: (at, f"{before} → {ip}")
        for sid, at, before, ip in rows
        if sid and before and ip and _is_elsewhere(before, ip)
    }
    return _of_sessions(rule, found)


def _guessed(rule: Rule, since: datetime) -> list[Finding]:
    refused = _events(Kind.LOGIN_REFUSED, since).exclude(subject=None)
    attempts: dict[UserKey, list[datetime]] = defaultdict(list)
    for user, at in refused.values_list("subject_id", "at")[:EVENTS]:
        attempts[user].append(at)
    users = [user for user, times in attempts.items() if len(times) >= REFUSALS]
    opened = Session.objects.filter(Q(user__in=users), created_at__gt=since).order_by("-created_at")
    found = {}
    for sid, user, at in opened.values_list("pk", "user_id", "created_at")[:SESSIONS]:
        number = sum(at - BEFORE_LOGIN < when <= at for when in attempts[user])
        if number >= REFUSALS:
            found[sid] = (at, "")
    return _of_sessions(rule, found)


def _of_sessions(rule: Rule, found: dict[UUID, tuple[datetime, str]]) -> list[Finding]:
    """Return the findings about live sessions, the latest first."""
    rows = live(Session.objects.filter(pk__in=found)).select_related("user") if found else ()
    findings = [Finding(rule, str(row.pk), *found[row.pk], session=row) for row in rows]
    return sorted(findings, key=lambda one: one.at, reverse=True)


def _events(kind: Kind, since: datetime) -> "QuerySet[Event]":
    """Return the newest events of one kind. The last condition fits the index of kinds."""
    newest = Event.objects.order_by("-at", "-id").filter(kind=kind, at__gt=since)
    return newest.exclude(kind=Kind.REFRESH)


def _is_elsewhere(one: str, other: str) -> bool:
    """Return whether two addresses are in different networks (/24, or /48 of IPv6)."""
    networks = [ip_network((ip, 48 if ":" in ip else 24), strict=False) for ip in (one, other)]
    return networks[0] != networks[1]


RULES = (
    Rule(
        "guessed",
        _("guessed password"),
        _("A login that succeeded after at least 5 refused ones within 15 minutes."),
        _guessed,
    ),
    Rule(
        "moved",
        _("two places"),
        _("A session that was used in two networks within 5 minutes."),
        _moved,
    ),
    Rule(
        "retried",
        _("retry from elsewhere"),
        _("A used refresh token that was presented again from another network."),
        _retried,
    ),
    Rule(
        "crowded-address",
        _("many accounts"),
        _("At least 10 accounts logged in from one address within a day."),
        _many_accounts,
    ),
)
