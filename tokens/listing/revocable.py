"""Declare the filters that the lists of tokens and of sessions share.

Their rows can be revoked: `live_sessions` and `live_foreign_tokens` return exactly the live rows
that `listing` shows. To add a filter on a session's column, add one field with a ``lookup`` to
`RevocableQuery`: both lists then have it. A filter that only the list of sessions has is a field of
`SessionQuery`.
"""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.signing import refresh_lifetime
from tokens.listing.pagination import Page
from tokens.listing.query import FilterType, ListQuery, M, declare
from tokens.listing.search import (
    NOTHING,
    Lookups,
    UserKey,
    alternatives,
    as_network,
    is_seen_within,
    match,
    of_user,
    seen_within,
)
from tokens.listing.status import Status
from tokens.models import OutstandingToken, Session


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The conditions that a query comes down to.

    ``alternatives`` are index lookups of which any may hold. ``equal`` and ``loose`` are
    lookups on the session, with and without an index. ``networks`` are those at whose addresses
    the session was seen: an index finds the sessions of the first.
    """

    alternatives: list[Lookups]
    equal: Lookups
    loose: Lookups
    networks: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Return whether the search or the user narrows the list."""
        return self.alternatives != [{}]

    @property
    def seen(self) -> list[Lookups]:
        """Return index lookups on the session, of which any may hold, for the first network."""
        return seen_within(self.networks[0]) if self.networks else [{}]

    @property
    def seen_also(self) -> Q:
        """Return the condition on the session for the other networks."""
        return Q(*(is_seen_within(network) for network in self.networks[1:]))

    @property
    def sessions(self) -> Q:
        """Return all conditions on the session but the alternatives."""
        return Q(*map(is_seen_within, self.networks), **self.equal, **self.loose)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocableQuery(ListQuery[M]):
    """The filters that the lists of tokens and of sessions share."""

    q: str = declare(
        "",
        type=FilterType.SEARCH,
        label=gettext_lazy("Search"),
        words=gettext_lazy("matching “%s”"),
        help="a user name, an e-mail address, a jti or session id or its start, a network",
        max_length=300,
    )
    status: str = declare(
        "",
        type=FilterType.CHOICE,
        label=gettext_lazy("Status"),
        words=gettext_lazy("with the status “%s”"),
        help="status of the token",
        any_label=gettext_lazy("Any status"),
        choices=tuple((status.value, status.label) for status in Status),
    )
    user: UserKey | None = declare(
        None,
        type=FilterType.USER,
        label=gettext_lazy("Account"),
        words=gettext_lazy("of %s"),
        help="id of an account",
    )
    issued_within: str = declare(
        "",
        type=FilterType.PERIOD,
        label=gettext_lazy("Issued"),
        words=gettext_lazy("issued %s"),
        help="a time span that ends now, or begins at midnight",
        range="issued",
    )
    issued_after: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Issued from"),
        words=gettext_lazy("issued since %s"),
        help="from this instant on",
        range="issued",
    )
    issued_before: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Issued until"),
        words=gettext_lazy("issued before %s"),
        help="before this instant",
        range="issued",
    )
    used_within: str = declare(
        "",
        type=FilterType.PERIOD,
        label=gettext_lazy("Last used"),
        words=gettext_lazy("last used %s"),
        help="a time span that ends now, or begins at midnight",
        range="used",
    )
    used_after: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Last used from"),
        words=gettext_lazy("last used since %s"),
        help="from this instant on",
        range="used",
    )
    used_before: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Last used until"),
        words=gettext_lazy("last used before %s"),
        help="before this instant",
        range="used",
    )
    expires_within: str = declare(
        "",
        type=FilterType.PERIOD,
        label=gettext_lazy("Expires"),
        words=gettext_lazy("that expire %s"),
        help="a time span that begins now",
        range="expires",
        future=True,
    )
    expires_after: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Expires from"),
        words=gettext_lazy("that expire at %s or later"),
        help="from this instant on",
        range="expires",
        future=True,
    )
    expires_before: datetime | None = declare(
        None,
        type=FilterType.INSTANT,
        label=gettext_lazy("Expires until"),
        words=gettext_lazy("that expire before %s"),
        help="before this instant",
        range="expires",
        future=True,
    )
    device: str = declare(
        "",
        type=FilterType.TEXT,
        label=gettext_lazy("Device"),
        words=gettext_lazy("from a device like “%s”"),
        help="a part of the user agent",
        max_length=100,
        lookup="user_agent__icontains",
        indexed=False,
    )
    ip: str = declare(
        "",
        type=FilterType.ADDRESS,
        label=gettext_lazy("Address"),
        words=gettext_lazy("seen at %s"),
        help="an address that the session was seen at, or a network such as 203.0.113.0/24",
    )
    client: str = declare(
        "",
        type=FilterType.TEXT,
        label=gettext_lazy("Client"),
        words=gettext_lazy("from the client “%s”"),
        help="label that the client sent in the header X-Client, whole",
        max_length=100,
        lookup="client",
    )

    @abstractmethod
    def live_sessions(self) -> "QuerySet[Session]":
        """Return the sessions that end when the live rows of this list are revoked."""

    @abstractmethod
    def live_foreign_tokens(self) -> "QuerySet[OutstandingToken]":
        """Return the live tokens of this list that belong to no session.

        Another service on the same tables issued them.
        """

    @property
    def everything_live(self) -> bool:
        """Return whether no filter leaves out a live row, whatever there is."""
        given = {name: value for name, value in self.chosen().items() if str(value).strip()}
        return not self.unsatisfiable and given in ({}, {"status": Status.ACTIVE})

    @property
    def spans_everything(self) -> bool:
        """Return whether the filters are ranges that hold every instant of a live row.

        `issued_before` in the future is an example.
        """
        query, now = self.pinned(), clock.now()
        longest = max(timedelta(days=app_settings.SESSION_DAYS), refresh_lifetime())
        vacuous = {
            "q": not query.q,
            "status": query.status in ("", Status.ACTIVE),
            "issued_before": _later(query.issued_before, now),
            "used_before": _later(query.used_before, now),
            "issued_after": not _later(query.issued_after, now - longest),
            "used_after": not _later(query.used_after, now - longest),
            "expires_before": _later(query.expires_before, now + longest),
            "expires_after": not _later(query.expires_after, now),
        }
        return not query.unsatisfiable and all(vacuous.get(name) for name in query.chosen())

    @property
    def user_keys(self) -> tuple[UserKey, ...]:
        """Return the keys of the users that the filters name."""
        if self.user is not None:
            return (self.user,)
        return match(self.q).users if self.q else ()

    @property
    def shows_live_rows(self) -> bool:
        """Return whether a row of this list can be live, as far as the status says."""
        return not self.unsatisfiable and self.status in ("", Status.ACTIVE)

    def may_match_live(self, page: Page[M]) -> bool:
        """Return whether a row of this list may be live: on ``page``, or on one that isn't read."""
        if not self.shows_live_rows:
            return False
        others = page.newer or page.older or page.partial
        return bool(others) or any(getattr(row, "status", "") == Status.ACTIVE for row in page.rows)

    def _narrow(self, *, sid: str, key: str) -> Narrowing:
        """Resolve search, user and the filters on a session's columns.

        Filters that contradict each other find nothing. See `alternatives` for ``sid`` and
        ``key``.
        """
        found, searched = alternatives(self.q, sid=sid, key=key)
        if self.user is not None:
            found = of_user(found, self.user)
        equal: Lookups = {}
        loose: Lookups = {}
        filters = self.filters()
        for name, value in self.chosen().items():
            declared = filters[name]
            if declared.lookup:
                (equal if declared.indexed else loose)[declared.lookup] = value
        filtered = as_network(self.ip) if self.ip else None
        unknown = bool(self.ip) and filtered is None
        if unknown or self.unsatisfiable or self.status not in ("", *Status):
            return Narrowing([NOTHING], {}, loose)
        networks = dict.fromkeys(network for network in (filtered, searched) if network)
        return Narrowing(found, equal, loose, tuple(networks))


def _later(instant: datetime | None, limit: datetime) -> bool:
    """Return whether ``instant`` is given and not before ``limit``."""
    return instant is not None and instant >= limit


def any_of(lookups: list[Lookups]) -> Q:
    """Return the condition that one of ``lookups`` holds; an empty one always holds."""
    return reduce(or_, (Q(**lookup) for lookup in lookups)) if {} not in lookups else Q()
