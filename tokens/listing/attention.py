"""Find sessions that are worth a look, by rules that need no data from elsewhere.

Each rule reads a bounded number of the newest rows of the last day, in the order of an index.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tokens.conf import app_settings
from tokens.db import clock
from tokens.listing.places import (
    known_places,
    network_of,
    place_of,
    places_before,
    what_is_new,
)
from tokens.listing.query import Text
from tokens.listing.search import UserKey
from tokens.listing.status import live, unended
from tokens.models import Event, Kind, Session, SessionOrigin
from tokens.origin import Actor, may
from tokens.permissions import VIEW_EVENTS, VIEW_SESSIONS

WINDOW = timedelta(days=1)
# How many sessions, addresses of sessions and events a rule reads, and how many findings it shows.
SESSIONS, ORIGINS, EVENTS, SHOWN = 5_000, 500, 1_000, 5
REUSES, MANY_ACCOUNTS = 50, 10
# Of how many crowded addresses, with how many sessions each, it is checked that these are live; and
# of how many sessions that a rule found.
CROWDS, CROWD, CHECKED = 10, 200, 50
CLOSE = timedelta(minutes=5)
REFUSALS, BEFORE_LOGIN = 5, timedelta(minutes=15)
# How many logins are compared with the places that their accounts have used.
LOGINS = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold what a rule found: a session, all of its ``user``, all of an ``address``, or an event.

    ``key`` names it, so that staff can set it aside. ``detail`` names the two addresses of a move,
    what is new, or what is still so.
    """

    rule: "Rule"
    key: str
    at: datetime
    detail: str | Promise = ""
    session: Session | None = None
    user: UserKey | None = None
    address: str = ""
    event: Event | None = None

    @property
    def revoke(self) -> str:
        """Return the query string of the review that ends what was found, "" if nothing is left."""
        if self.address:
            return urlencode({"matching": "sessions", "ip": self.address})
        if self.user is not None:
            return urlencode({"user": self.user})
        return urlencode({"session": self.session.pk}) if self.session else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Declare one rule: its name in the trail, its label, and what it means for staff.

    ``needs`` are the permissions to see what it finds.
    """

    name: str
    label: Text
    meaning: Text
    find: "Callable[[Rule, datetime], list[Finding]]"
    needs: tuple[str, ...] = (VIEW_EVENTS, VIEW_SESSIONS)


def rules_for(viewer: Actor) -> list[Rule]:
    """Return the rules whose findings ``viewer`` may see."""
    return [rule for rule in RULES if viewer is None or may(viewer, *rule.needs)]


def find_attention(*, viewer: Actor = None, now: datetime | None = None) -> list[Finding]:
    """Return what the rules find in the last day, without what staff have set aside.

    Only rules whose findings ``viewer`` may see are asked.
    """
    since = (now or clock.now()) - WINDOW
    rules = rules_for(viewer)
    fine: dict[tuple[str, str], datetime] = {}
    if rules:
        for data, at in _events(Kind.LOOKS_FINE, since).values_list("data", F("at"))[:EVENTS]:
            fine.setdefault((str(data.get("rule")), str(data.get("key"))), at)
    found = []
    for rule in rules:
        rest = [one for one in rule.find(rule, since) if not _is_fine(one, fine)]
        found += rest[:SHOWN]
    return found


def _is_fine(finding: Finding, fine: dict[tuple[str, str], datetime]) -> bool:
    """Return whether staff have set a finding aside: for a day, or until its session does more."""
    at = fine.get((finding.rule.name, finding.key))
    return at is not None and (finding.session is None or finding.at <= at)


def _many_accounts(rule: Rule, since: datetime) -> list[Finding]:
    opened = Session.objects.exclude(user=None).exclude(ip=None)
    newest = unended(opened.filter(created_at__gt=since)).order_by("-created_at", "-id")
    edge = newest.values_list(F("created_at"), flat=True)[SESSIONS : SESSIONS + 1].first()
    among = newest.filter(created_at__gt=edge) if edge is not None else newest
    accounts = Count("user", distinct=True)
    crowds = among.order_by().values_list("ip").annotate(accounts=accounts)
    crowds = crowds.filter(Q(accounts__gte=MANY_ACCOUNTS)).order_by("-accounts", "ip")
    found = []
    for ip, _accounts in crowds[:CROWDS]:
        rows = live(among.filter(ip=ip)).values_list("user_id", F("created_at"))[:CROWD]
        held = list(rows)
        if len({user for user, _at in held}) >= MANY_ACCOUNTS:
            found.append(Finding(rule, str(ip), held[0][1], address=str(ip)))
    return found


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
    rows = retries.values_list("session_id", F("at"), "rotated_ip", "ip")[:EVENTS]
    found = {
        sid: (at, f"{before} → {ip}")
        for sid, at, before, ip in rows
        if sid and before and ip and _is_elsewhere(before, ip)
    }
    return _of_sessions(rule, found)


def _guessed(rule: Rule, since: datetime) -> list[Finding]:
    refused = _events(Kind.LOGIN_REFUSED, since).exclude(subject=None)
    attempts: dict[UserKey, list[datetime]] = defaultdict(list)
    for user, at in refused.values_list("subject_id", F("at"))[:EVENTS]:
        attempts[user].append(at)
    for times in attempts.values():
        times.sort()
    users = [user for user, times in attempts.items() if len(times) >= REFUSALS]
    opened = Session.objects.filter(Q(user__in=users), created_at__gt=since).order_by("-created_at")
    found = {}
    for sid, user, at in opened.values_list("pk", "user_id", F("created_at"))[:EVENTS]:
        times = attempts[user]
        number = bisect_right(times, at) - bisect_right(times, at - BEFORE_LOGIN)
        if number >= REFUSALS:
            found[sid] = (at, "")
    return _of_sessions(rule, found)


def _reused(rule: Rule, since: datetime) -> list[Finding]:
    events = _events(Kind.REUSE, since)
    times: dict[UUID, datetime] = {}
    for sid, at in events.values_list("session_id", F("at"))[:EVENTS]:
        if sid is not None:
            times.setdefault(sid, at)
    sessions = Session.objects.select_related("user").in_bulk(list(times)[:REUSES])
    found = []
    for sid, at in times.items():
        if (session := sessions.get(sid)) is not None:
            found.append(Finding(rule, str(sid), at, session=session, user=session.user_id))
    return found


def _locked(rule: Rule, since: datetime) -> list[Finding]:
    unlocked: dict[str, datetime] = {}
    events = _events(Kind.LOGIN_UNLOCKED, since)
    for name, at in events.values_list("subject_name", F("at"))[:EVENTS]:
        unlocked.setdefault(name, at)
    # The window begins with the first attempt, so a lock may end a little sooner.
    lock_ends = timedelta(seconds=app_settings.LOGIN_WINDOW_SECONDS)
    now = clock.now()
    found: dict[tuple[str, str | None], Finding] = {}
    for event in _events(Kind.LOGIN_LOCKED, since)[:EVENTS]:
        at = unlocked.get(event.subject_name)
        if at is None or at < event.at:
            detail = _("locked now") if event.at + lock_ends > now else ""
            one = Finding(rule, str(event.pk), event.at, detail=detail, event=event)
            found.setdefault((event.subject_name, event.ip), one)
    return list(found.values())


def _new_places(rule: Rule, since: datetime) -> list[Finding]:
    newest = live(Session.objects.filter(created_at__gt=since).exclude(user=None).exclude(ip=None))
    logins = list(newest.order_by("-created_at", "-id")[:LOGINS])
    known = known_places(users={login.user_id for login in logins})
    found: dict[UUID, tuple[datetime, Text]] = {}
    for login in logins:
        at, agent = login.created_at, login.user_agent
        place = place_of(at=at, user_agent=agent, ips=[login.ip], session=login.pk)
        earlier = places_before(place, known[login.user_id])
        if (new := what_is_new(place, earlier)) is not None:
            found[login.pk] = (at, new)
    return _of_sessions(rule, found)


def _of_sessions(rule: Rule, found: "Mapping[UUID, tuple[datetime, Text]]") -> list[Finding]:
    """Return the findings about live sessions, the latest first, of the last `CHECKED`."""
    latest = sorted(found, key=lambda sid: found[sid][0], reverse=True)[:CHECKED]
    rows = live(Session.objects.filter(pk__in=latest)).select_related("user") if found else ()
    findings = [Finding(rule, str(row.pk), *found[row.pk], session=row) for row in rows]
    return sorted(findings, key=lambda one: one.at, reverse=True)


def _events(kind: Kind, since: datetime) -> "QuerySet[Event]":
    """Return the newest events of one kind. The last condition fits the index of kinds."""
    newest = Event.objects.order_by("-at", "-id").filter(kind=kind, at__gt=since)
    return newest.exclude(kind=Kind.REFRESH)


def _is_elsewhere(one: str, other: str) -> bool:
    """Return whether two addresses are in different networks."""
    return network_of(one) != network_of(other)


RULES = (
    Rule(
        "reuse",
        _("reuse"),
        _("A used or revoked token was presented again. Its session is revoked."),
        _reused,
        needs=(VIEW_EVENTS,),
    ),
    Rule(
        "locked",
        _("refused logins"),
        _("Too many logins were refused. Further ones are locked for a few minutes."),
        _locked,
        needs=(VIEW_EVENTS,),
    ),
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
        needs=(VIEW_SESSIONS,),
    ),
    Rule(
        "retried",
        _("retry from elsewhere"),
        _("A used refresh token that was presented again from another network."),
        _retried,
    ),
    Rule(
        "new-place",
        _("new device or network"),
        _("A login unlike the account's last 20 sessions. New networks of travellers don't count."),
        _new_places,
        needs=(VIEW_SESSIONS,),
    ),
    Rule(
        "crowded-address",
        _("many accounts"),
        _("At least 10 accounts logged in from one address within a day."),
        _many_accounts,
        needs=(VIEW_SESSIONS,),
    ),
)
