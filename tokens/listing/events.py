"""The list of events: the audit trail."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy, pgettext_lazy

from tokens.listing.columns import (
    ADMIN,
    ADMIN_PAGE,
    API,
    IP,
    TABLE,
    USER_AGENT,
    Column,
    ColumnType,
)
from tokens.listing.pagination import LOOK, Listing, Walk, unchanged
from tokens.listing.query import FilterType, ListQuery, Text, declare
from tokens.listing.search import UserKey, as_network, as_uuid, between, match, narrower
from tokens.models import Event, EventTarget, Kind, Measure, Session
from tokens.models.kinds import kinds_of
from tokens.models.lengths import JTI_LENGTH
from tokens.models.readable import is_readable

# The order of the trail, newest first.
KEY = ("at", "id")
# Cutoffs for everybody that are looked at.
FEW = 100
# A choice of the filter by kind that the trail opens with.
ACTS = "acts"
# Choices of the filter by kind that stand for several: their label and kinds, by name. The overview
# counts those that have the name of a measure.
KIND_GROUPS: dict[str, tuple[Text, tuple[Kind, ...]]] = {
    ACTS: (
        gettext_lazy("Without views and refreshes"),
        tuple(kind for kind in Kind if not kind.traits.read_only and kind != Kind.REFRESH),
    ),
    "endings": (
        gettext_lazy("Any revocation or logout"),
        tuple(
            kind for kind in Kind if kind.traits.caep or kind.traits.measure == Measure.REVOCATIONS
        ),
    ),
    **{
        measure.value: (measure.label, kinds)
        for measure in Measure
        if len(kinds := kinds_of(measure)) > 1
    },
}
# An account's key, or several of which any may match.
Accounts = UserKey | tuple[UserKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery(ListQuery[Event]):
    """Events, the newest first.

    ``kind`` may be several kinds. No table of accounts is joined: an event carries the names
    that it was written with.

    The events about an account, and those of a session, include the acts upon many that ended
    them: see `acts_upon_many`.
    """

    noun: ClassVar[Text] = gettext_lazy("events")
    q: str = declare(
        "",
        type=FilterType.SEARCH,
        label=gettext_lazy("Search"),
        words=gettext_lazy("matching “%s”"),
        max_length=300,
        admin_only=True,
    )
    kind: str | tuple[str, ...] = declare(
        "",
        type=FilterType.CHOICE,
        label=gettext_lazy("What"),
        words=gettext_lazy("of the kind “%s”"),
        help=f"kind of the event, or several: {', '.join(KIND_GROUPS)}",
        any_label=gettext_lazy("Everything"),
        choices=(
            *((name, label) for name, (label, _kinds) in KIND_GROUPS.items()),
            *((kind.value, kind.label) for kind in Kind),
        ),
    )
    actor: Accounts | None = declare(
        None,
        type=FilterType.USER,
        label=gettext_lazy("By"),
        words=gettext_lazy("by %s"),
        help="id of the account that did it",
    )
    subject: Accounts | None = declare(
        None,
        type=FilterType.USER,
        label=gettext_lazy("About"),
        words=gettext_lazy("about %s"),
        help="id of the account it was done to",
    )
    session: UUID | None = declare(
        None,
        type=FilterType.SESSION,
        label=gettext_lazy("Session"),
        words=gettext_lazy("of the session %s"),
        help="id of a session",
    )
    jti: str = declare(
        "",
        type=FilterType.TEXT,
        label=gettext_lazy("Token (jti)"),
        words=gettext_lazy("of the token %s"),
        help="id of a token (jti), whole",
        max_length=JTI_LENGTH,
    )
    request_id: str = declare(
        "",
        type=FilterType.TEXT,
        label=gettext_lazy("Request"),
        words=gettext_lazy("of the request %s"),
        help="id of a request (X-Request-ID), whole; refreshes are left out",
        max_length=64,
    )
    ip: str = declare(
        "",
        type=FilterType.ADDRESS,
        label=gettext_lazy("Address"),
        words=gettext_lazy("from %s"),
        help="address that the event came from, or a network such as 203.0.113.0/24",
    )
    within: str = declare(
        "",
        type=FilterType.PERIOD,
        label=gettext_lazy("When"),
        words="%s",
        help="a time span that ends now, or begins at midnight",
        range="when",
    )
    after: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=pgettext_lazy("time", "From"),
        words=gettext_lazy("since %s"),
        help="from this instant on",
        range="when",
    )
    before: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Until"),
        words=gettext_lazy("before %s"),
        help="before this instant",
        range="when",
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", API, type=ColumnType.INTEGER, example=4711),
        Column(
            "at",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("When"),
            null=True,
            help="null: the stored time can't be read",
            example="2026-11-02T09:30:00Z",
        ),
        Column(
            "kind",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.CHOICE,
            label=gettext_lazy("Event"),
            cell="event_kind",
            heads=True,
            choices=tuple(Kind.values),
            example="revoke_session",
        ),
        Column("about", TABLE, label=gettext_lazy("About"), cell="event_subject"),
        Column("by", TABLE, label=gettext_lazy("By"), cell="event_actor"),
        Column("from", TABLE, label=pgettext_lazy("origin", "From"), cell="event_origin"),
        Column("details", TABLE, label=gettext_lazy("Details"), cell="event_details"),
        Column(
            "actor_id",
            API,
            type=ColumnType.ACCOUNT_KEY,
            null=True,
            help="null: not known, or the system",
            example=2,
        ),
        Column("actor", ADMIN | ADMIN_PAGE | API, path="actor_name", example="sam"),
        Column("subject_id", API, type=ColumnType.ACCOUNT_KEY, null=True, example=7),
        Column("subject", ADMIN | ADMIN_PAGE | API, path="subject_name", example="alice"),
        Column(
            "session",
            ADMIN_PAGE | API,
            type=ColumnType.UUID,
            path="session_id",
            null=True,
            example="d3b0c366-6904-4165-83ef-a9024339380a",
        ),
        Column("jti", ADMIN_PAGE | API, example=""),
        IP,
        USER_AGENT,
        Column("client", ADMIN_PAGE | API, example=""),
        Column("request_id", ADMIN_PAGE | API, example="1f0c2a52d1b94a0d9c3a0d5b2f1c7e11"),
        Column("reason", ADMIN | ADMIN_PAGE | API, example="lost device"),
        Column("count", ADMIN | ADMIN_PAGE | API, type=ColumnType.COUNT, example=1),
        Column("filter", ADMIN_PAGE, path="data"),
        Column("data", ADMIN_PAGE | API, type=ColumnType.OBJECT, example={}),
    )

    def rows(self) -> "QuerySet[Event]":
        """Return all events, for an export or a short list."""
        query = self._searched()
        conditions, linked = query._conditions(), query._linked()
        found = Event.objects.order_by("-at", "-id").filter(self._between())
        return found.filter(*(_or_linked(conditions, linked, name) for name in conditions))

    def listing(self) -> Listing[Event]:
        """Return the events, to be paged through.

        Each filter has its own index, and no two of them share one. A page walks along the index
        of a filter that leaves few rows and checks the other filters on each row. Where every
        filter leaves many rows, it walks along the most selective kind of filter, and may stop
        early (`Page.partial`).
        """
        query = self._searched()
        conditions = query._conditions()
        linked = query._linked()
        within = Event.objects.filter(self._between())
        # Most events are refreshes: `Event.Meta` leaves them out of the index of kinds.
        indexed = {
            name: condition
            for name, condition in conditions.items()
            if not (name == "kind" and Kind.REFRESH in self._kinds)
        }
        # For several accounts or addresses an index returns one after the other, not by time.
        sorted_by = [name for name in indexed if not _is_several(getattr(query, name))]
        if len(conditions) == len(sorted_by) == 1:
            first: str | None = sorted_by[0]
        else:
            first = _narrowest(within, indexed) or next(iter(sorted_by), None)
        rest = [_or_linked(conditions, linked, name) for name in conditions if name != first]
        rows = within if first is None else within.filter(indexed[first])
        walks: tuple[Walk[Event], ...] = (Walk(rows),)
        if first in linked:
            walks += (Walk(within.filter(pk__in=linked[first])),)

        def others(rows: "QuerySet[Event]") -> "QuerySet[Event]":
            return rows.filter(*rest)

        coarse = others if rest else unchanged
        return Listing(rows=walks, key=KEY, coarse=coarse, look=LOOK, mark=self.mark)

    @property
    def _kinds(self) -> tuple[str, ...]:
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)

    def _searched(self) -> "EventQuery":
        """Return the query with each kind by its name, and the search as another filter.

        A search that contradicts that filter selects nothing.
        """
        if isinstance(self.kind, str) and self.kind in KIND_GROUPS:
            _label, kinds = KIND_GROUPS[self.kind]
            return replace(self, kind=kinds)._searched()
        if not (text := self.q):
            return self
        found = match(text)
        if found.users:
            return self._about(found.users)
        sid = as_uuid(text) if "-" in text else None
        jti = "" if found.ip or sid else text.replace("\0", "")[:JTI_LENGTH]
        pairs = ((self.session, sid), (self.jti, jti))
        contradicts = any(given and meant and given != meant for given, meant in pairs)
        ip = narrower(self.ip, found.ip) if self.ip and found.ip else found.ip or self.ip
        if contradicts or ip is None or not (found.ip or sid or jti):
            return self.none()
        return replace(
            self,
            q="",
            ip=ip,
            session=sid or self.session,
            jti=jti or self.jti,
        )

    def _about(self, users: tuple[UserKey, ...]) -> "EventQuery":
        given = self.subject if isinstance(self.subject, tuple) else (self.subject,)
        meant = users if self.subject is None else tuple(k for k in users if k in given)
        if not meant:
            return self.none()
        return replace(self, q="", subject=meant if len(meant) > 1 else meant[0])

    def _between(self) -> Q:
        return between("at", *self.limits("when"))

    def _linked(self) -> dict[str, list[int]]:
        """Return the ids of the acts upon many that belong to a filter, by the filter's name.

        They are few: a session ends once. They are read here, because the database would walk
        through the whole trail for a subquery beside an index.
        """
        found = {}
        if self.session is not None and not self.unsatisfiable:
            found["session"] = acts_upon_many(session=self.session)
        if self.subject is not None and not self.unsatisfiable:
            users = self.subject if isinstance(self.subject, tuple) else (self.subject,)
            found["subject"] = acts_upon_many(users=users)
        return {name: ids for name, ids in found.items() if ids}

    def _conditions(self) -> dict[str, Q]:
        """Return the condition of each filter that is set, the most selective filter first."""
        if self.unsatisfiable or (self.ip and as_network(self.ip) is None):
            return {"ip": Q(pk__in=[])}
        found: dict[str, Q] = {}
        chosen = self.chosen()
        if "jti" in chosen:
            found["jti"] = Q(jti=self.jti)
        if "request_id" in chosen:
            # The index leaves refreshes out.
            found["request_id"] = Q(request_id=self.request_id) & ~Q(request_id="")
            found["request_id"] &= ~Q(kind=Kind.REFRESH)
        if "session" in chosen:
            found["session"] = Q(session_id=self.session)
        if "subject" in chosen:
            found["subject"] = _account("subject", chosen["subject"])
        if "actor" in chosen:
            found["actor"] = _account("actor", chosen["actor"])
        if "ip" in chosen:
            found["ip"] = Q(ip__within=as_network(self.ip))
        if "kind" in chosen:
            found["kind"] = Q(kind__in=self._kinds)
            if Kind.REFRESH not in self._kinds:
                # This excludes nothing more. It shows the database that the partial index applies.
                found["kind"] &= ~Q(kind=Kind.REFRESH)
        return found


def acts_upon_many(*, session: UUID | None = None, users: tuple[UserKey, ...] = ()) -> list[int]:
    """Return the ids of the events of the acts upon many that ended a session, or one of users.

    `EventTarget` lists them. A cutoff for everybody that ended many sessions takes effect before
    they are listed; it is found by the times of the sessions until then.
    """
    if session is not None:
        targets = EventTarget.objects.filter(session_id=session)
        sessions = Session.objects.filter(pk=session)
    else:
        targets = EventTarget.objects.filter(Q(user__in=users))
        sessions = Session.objects.filter(Q(user__in=users))
    found: set[int] = set()
    # An event of a batch names the event of its cutoff.
    for event, data in targets.values_list("event_id", "event__data").distinct():
        cutoff = data.get("cutoff") if data else None
        found |= {event, cutoff} if isinstance(cutoff, int) else {event}
    # A session ends once.
    if not (found and session is not None):
        found.update(_cutoffs_before_listing(sessions))
    return sorted(found)


def events_of(session: UUID, *, is_live: bool) -> "QuerySet[Event]":
    """Return all events of a session. No act upon many has ended it if it is live."""
    if is_live:
        return Event.objects.order_by("-at", "-id").filter(session_id=session)
    return EventQuery(session=session).rows()


def _cutoffs_before_listing(sessions: "QuerySet[Session]") -> Iterator[int]:
    """Yield the cutoffs for everybody that ended one of ``sessions`` without listing it yet."""
    # The second condition shows the database that the partial index of kinds applies.
    cutoffs = Event.objects.filter(Q(kind=Kind.CUTOFF) & ~Q(kind=Kind.REFRESH), subject=None)
    newest = cutoffs.order_by("-at", "-id").values_list("pk", F("at"), "data")[:FEW]
    unlisted = [(pk, at, _instant(data)) for pk, at, data in newest if "targets" not in data]
    waiting = [(pk, at, begin) for pk, at, begin in unlisted if begin is not None]
    if not waiting:
        return
    unmarked = sessions.filter(
        revoked_at=None,
        created_at__lt=max(begin for _pk, _at, begin in waiting),
        expires_at__gt=min(at for _pk, at, _begin in waiting),
    )
    open_ = list(unmarked.values_list("created_at", "expires_at")[:LOOK])
    for pk, at, not_before in waiting:
        if any(created < not_before and expires > at for created, expires in open_):
            yield pk


def _instant(data: dict[str, object]) -> datetime | None:
    """Return the instant of a cutoff; None if the portal did not write these data."""
    try:
        begin = datetime.fromisoformat(str(data.get("not_before")))
    except ValueError:
        return None
    return begin if begin.tzinfo is not None and is_readable(begin) else None


def latest(*, kinds: Collection[str], number: int) -> list[Event]:
    """Return the last events of several kinds.

    An index returns one kind after the other, so the last ones of each kind are read and the
    last of those are chosen.
    """
    if not connection.features.supports_slicing_ordering_in_compound:
        return list(EventQuery(kind=tuple(kinds)).rows()[:number])
    first, *others = (EventQuery(kind=kind).rows()[:number] for kind in kinds)
    return list(first.union(*others, all=True).order_by("-at", "-id")[:number])


def _narrowest(within: "QuerySet[Event]", indexed: dict[str, Q]) -> str | None:
    """Return the first filter that leaves fewer rows than one page looks at, if there is one."""
    for name, condition in indexed.items():
        if within.filter(condition).order_by()[:LOOK].count() < LOOK:
            return name
    return None


def _or_linked(conditions: dict[str, Q], linked: dict[str, list[int]], name: str) -> Q:
    ids = linked.get(name)
    return conditions[name] | Q(pk__in=ids) if ids else conditions[name]


def _is_several(value: object) -> bool:
    """Return whether a filter's value is several accounts or kinds, or a network."""
    return isinstance(value, tuple) or (isinstance(value, str) and "/" in value)


def _account(role: str, given: Accounts) -> Q:
    if isinstance(given, tuple):
        return Q(**{f"{role}__in": given})
    return Q(**{f"{role}_id": given})
