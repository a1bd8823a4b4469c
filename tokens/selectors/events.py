"""The audit trail, read."""

from collections.abc import Collection
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from tokens.models import Event, Kind
from tokens.selectors.paging import LOOK, Listing, unchanged

# The fields that a page of the trail goes by, newest first.
KEY = ("at", "id")
# What a person who watches over the service wants to hear of. A login is not among it, nor is
# a revocation that somebody asked for: those have lists of their own.
SECURITY = (
    Kind.REUSE,
    Kind.LOGIN_LOCKED,
    Kind.LOGIN_UNLOCKED,
    Kind.CUTOFF,
    Kind.REVOKE_USER,
    Kind.REVOKE_MATCHING,
    Kind.PASSWORD_CHANGED,
    Kind.USER_DEACTIVATED,
    Kind.USER_DELETED,
    Kind.PERMISSION_DENIED,
    Kind.INTROSPECTION_REFUSED,
    Kind.EXPORTED,
    Kind.KEY_ADDED,
    Kind.KEY_RETIRED,
)


def events(
    *,
    kind: str | Collection[str] | None = None,
    actor: Any | None = None,
    subject: Any | None = None,
    session: UUID | str | None = None,
    jti: str = "",
    ip: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> "QuerySet[Event]":
    """Events, newest first; all that is given must hold. ``actor`` and ``subject`` are users or
    their keys, ``after`` is included and ``before`` is not. Nothing is found for an ``ip`` that
    is none. No account is joined: the line carries the names it was written with."""
    found = Event.objects.order_by("-at", "-id").filter(_between(after, before))
    wanted = _conditions(kind=kind, actor=actor, subject=subject, session=session, jti=jti, ip=ip)
    return found.filter(*wanted.values())


def trail(
    *, after: datetime | None = None, before: datetime | None = None, **wanted: Any
) -> Listing[Event]:
    """The events that `events` finds, to be paged through.

    Each filter has an index of its own, and no two of them together have one. A page goes by
    the filter that leaves few rows, and judges those by the others; where each of them leaves
    many, it goes by the one that names the least, and may stop short (`Page.partial`).
    """
    conditions = _conditions(**wanted)
    within = Event.objects.filter(_between(after, before))
    # Refreshes are most of the trail: `Event.Meta` leaves them out of the index of kinds, and
    # they are picked out of what is read anyway.
    indexed = {
        name: condition
        for name, condition in conditions.items()
        if not (name == "kind" and _may_be_refresh(wanted["kind"]))
    }
    # An index gives the rows of several accounts one account after the other, not by time.
    sorted_by = [name for name in indexed if not isinstance(wanted[name], tuple)]
    if len(conditions) == len(sorted_by) == 1:
        first: str | None = sorted_by[0]
    else:
        first = _narrowest(within, indexed) or next(iter(sorted_by), None)
    rest = [condition for name, condition in conditions.items() if name != first]
    rows = within if first is None else within.filter(indexed[first])

    def others(rows: "QuerySet[Event]") -> "QuerySet[Event]":
        return rows.filter(*rest)

    return Listing(rows=rows, key=KEY, coarse=others if rest else unchanged, look=LOOK)


def latest(*, kinds: Collection[str], number: int) -> list[Event]:
    """The last events of several kinds. An index gives one kind after the other: each gives its
    last ones, and the last of those are chosen."""
    if not connection.features.supports_slicing_ordering_in_compound:
        return list(events(kind=kinds)[:number])
    first, *others = (events(kind=kind)[:number] for kind in kinds)
    return list(first.union(*others, all=True).order_by("-at", "-id")[:number])


def _narrowest(within: "QuerySet[Event]", indexed: dict[str, Q]) -> str | None:
    """The filter that leaves fewer rows than one page looks through, if any does."""
    for name, condition in indexed.items():
        if within.filter(condition).order_by()[:LOOK].count() < LOOK:
            return name
    return None


def _conditions(
    *,
    kind: str | Collection[str] | None = None,
    actor: Any | None = None,
    subject: Any | None = None,
    session: UUID | str | None = None,
    jti: str = "",
    ip: str | None = None,
) -> dict[str, Q]:
    found: dict[str, Q] = {}
    if jti:
        found["jti"] = Q(jti=jti)
    if session is not None:
        found["session"] = Q(session_id=session)
    if subject is not None:
        found["subject"] = _account("subject", subject)
    if actor is not None:
        found["actor"] = _account("actor", actor)
    if ip:
        found["ip"] = Q(ip=ip) if _is_address(ip) else Q(pk__in=[])
    if kind:
        found["kind"] = Q(kind__in=[kind] if isinstance(kind, str) else list(kind))
        if not _may_be_refresh(kind):
            # Says nothing new, but lets every database see that the partial index will do.
            found["kind"] &= ~Q(kind=Kind.REFRESH)
    return found


def _account(role: str, given: Any) -> Q:
    """One account, or any of a tuple of keys."""
    if isinstance(given, tuple):
        return Q(**{f"{role}__in": given})
    return Q(**{f"{role}_id": getattr(given, "pk", given)})


def _between(after: datetime | None, before: datetime | None) -> Q:
    bounds = Q()
    if after is not None:
        bounds &= Q(at__gte=after)
    if before is not None:
        bounds &= Q(at__lt=before)
    return bounds


def _may_be_refresh(kind: str | Collection[str] | None) -> bool:
    return kind == Kind.REFRESH or (not isinstance(kind, str) and Kind.REFRESH in (kind or ()))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
