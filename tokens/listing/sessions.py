"""The list of sessions."""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy

from tokens.db import clock
from tokens.jwt.signing import refresh_start
from tokens.listing.columns import (
    ADMIN,
    ADMIN_PAGE,
    API,
    IP,
    PAGE,
    TABLE,
    USER_AGENT,
    USER_ID,
    Column,
    ColumnType,
)
from tokens.listing.estimates import Estimate, counted
from tokens.listing.pagination import FAR_LOOK, LOOK, SHORT_LOOK, Listing, Page, Walk, unchanged
from tokens.listing.query import FilterType, Text, declare
from tokens.listing.revocable import RevocableQuery, any_of
from tokens.listing.search import between
from tokens.listing.status import Status, live, seems_revoked, with_session_status
from tokens.models import OutstandingToken, Session, SessionOrigin, SigningKey

Sessions = QuerySet[Session]
BY_USE = ("last_used_at", "id")
BY_END = ("ends_at", "id")
# The order in which the sessions were revoked.
BY_REVOCATION = ("turn",)
# The session's column that each range limits, the most selective range first.
RANGES = {"used": "last_used_at", "issued": "created_at", "expires": "expires_at"}
# A session is never rotated; its tokens are.
STATUSES = tuple(status for status in Status if status is not Status.ROTATED)
# How no token begins.
NO_START = "-"
# `live_sessions_of` counts up to this number.
HELD = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery(RevocableQuery[Session]):
    """Sessions, the last used first.

    ``issued`` is when a session was opened, ``used`` its last refresh, ``expires`` its absolute
    end.

    With only a status, the list is in the order in which the sessions end or were revoked; with
    only a range, in the order of the range's instant.
    """

    noun: ClassVar[Text] = gettext_lazy("sessions")
    status: str = declare(
        "",
        type=FilterType.CHOICE,
        label=gettext_lazy("Status"),
        words=gettext_lazy("with the status “%s”"),
        help="status of the session",
        any_label=gettext_lazy("Any status"),
        choices=tuple((s.value, s.label) for s in STATUSES),
    )
    signing_key: str = declare(
        "",
        type=FilterType.TEXT,
        label=gettext_lazy("Signing key"),
        words=gettext_lazy("signed by the key “%s”"),
        help="id of the key in the ring that signed the refresh token of the session",
        max_length=64,
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "id",
            TABLE | ADMIN_PAGE | API,
            type=ColumnType.UUID,
            label=gettext_lazy("Session"),
            cell="session_id",
            example="d3b0c366-6904-4165-83ef-a9024339380a",
        ),
        Column("sid", ADMIN),
        Column(
            "status",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.CHOICE,
            label=gettext_lazy("Status"),
            cell="status",
            choices=tuple(status.value for status in STATUSES),
            example="active",
        ),
        Column(
            "user",
            TABLE | PAGE | ADMIN | ADMIN_PAGE,
            label=gettext_lazy("User"),
            cell="person",
            heads=True,
        ),
        USER_ID,
        Column("username", API, example="alice"),
        Column(
            "created_at",
            TABLE | PAGE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Opened"),
            example="2026-11-02T08:15:00Z",
        ),
        Column(
            "last_used_at",
            TABLE | PAGE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Last used"),
            example="2026-11-02T09:05:10Z",
        ),
        Column(
            "expires_at",
            PAGE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Expires"),
            cell="session_expiry",
            example="2026-12-02T08:15:00Z",
        ),
        Column(
            "rotations",
            TABLE | PAGE | ADMIN_PAGE | API,
            type=ColumnType.COUNT,
            label=gettext_lazy("Rotations"),
            example=12,
        ),
        Column("name", PAGE | ADMIN_PAGE | API, label=gettext_lazy("Name"), example="Work laptop"),
        Column("device", TABLE | PAGE | ADMIN, label=gettext_lazy("Device"), cell="device"),
        IP,
        USER_AGENT,
        Column("seen", ADMIN_PAGE),
        Column("client", PAGE | ADMIN_PAGE | API, label=gettext_lazy("Client"), example=""),
        Column("current", ADMIN_PAGE),
        Column("revoked_at", ADMIN_PAGE | API, type=ColumnType.INSTANT, null=True),
        Column(
            "revoked_by",
            ADMIN_PAGE | API,
            path="revoked_by_name",
            help="empty: not revoked by a person",
            example="",
        ),
        Column("revoke_reason", ADMIN_PAGE | API, example=""),
        Column("ended", TABLE | PAGE, label=gettext_lazy("Ended"), cell="ended"),
    )

    def listing(self) -> Listing[Session]:
        """Return the sessions with ``status``, their user and their current token."""
        found = self._narrow(sid="pk", key="membership__session")
        rows: Sessions = Session.objects.order_by()
        ranges = self._ranges()
        key: tuple[str, ...] = BY_USE
        if found.equal or found.named or found.networks:
            walks = [
                Walk(rows.filter(**found.equal).filter(**way).filter(**seen))
                for way in found.alternatives
                for seen in found.seen
            ]
        elif ranges:
            column = next(iter(ranges))
            walks, key = [Walk(rows.filter(ranges.pop(column)))], (column, "id")
        else:
            walk, key = _walk_by_status(rows, self.status)
            walks = [walk]
        loose = Q(*ranges.values(), **found.loose) & found.seen_also & self._signed()

        def coarse(rows: Sessions) -> Sessions:
            return _with_possible_status(rows.filter(loose), self.status)

        bounded = loose or (self.status and key != BY_REVOCATION)
        # Other conditions cost more per row than skipping revoked sessions.
        far = key == BY_END and not loose
        return Listing(
            rows=tuple(walks),
            key=key,
            finish=_finish,
            coarse=coarse if bounded else unchanged,
            exact=Q(status=self.status) if self.status else None,
            look=SHORT_LOOK if self.status == Status.REVOKED else FAR_LOOK if far else LOOK,
            mark=self.mark,
        )

    def live_sessions(self) -> Sessions:
        """Return the live sessions of the list."""
        if not self.shows_live_rows:
            return Session.objects.none()
        found = self._narrow(sid="pk", key="membership__session")
        wanted = Q(*self._ranges().values(), found.sessions) & self._signed()
        sessions: Sessions = Session.objects.filter(wanted).filter(any_of(found.alternatives))
        return live(sessions)

    def live_foreign_tokens(self) -> "QuerySet[OutstandingToken]":
        """Return no tokens: this list shows sessions alone."""
        nothing: QuerySet[OutstandingToken] = OutstandingToken.objects.none()
        return nothing

    def _signed(self) -> Q:
        """Return the condition that the key ``signing_key`` signed the current refresh token."""
        if not self.signing_key:
            return Q()
        keys = SigningKey.objects.filter(kid=self.signing_key).values_list("kid", "algorithm")
        starts = (refresh_start(kid=kid, algorithm=algorithm) for kid, algorithm in keys)
        return Q(current__token__startswith=next(starts, NO_START))

    def _ranges(self) -> dict[str, Q]:
        """Return the condition of each range that is set, by the column that it limits."""
        limits = {column: self.limits(name) for name, column in RANGES.items()}
        return {column: between(column, *ends) for column, ends in limits.items() if any(ends)}


def session_row(*, pk: uuid.UUID) -> Session | None:
    """Return one session as a list shows it."""
    return _finish(Session.objects.filter(pk=pk)).first()


def add_origins(sessions: Iterable[Session]) -> None:
    """Set ``seen`` of each session: the addresses and devices that it was seen at, last one first.

    ``earlier`` are the other addresses than its latest. One query reads those of all ``sessions``.
    A session that never moved was seen at one.
    """
    found: dict[uuid.UUID, list[SessionOrigin]] = {one.pk: [] for one in sessions}
    for origin in SessionOrigin.objects.filter(session__in=found).order_by("-last_seen_at", "-pk"):
        found[origin.session_id].append(origin)
    for session in sessions:
        latest = (session.ip, session.user_agent)
        seen = found[session.pk]
        if not seen and session.ip is not None:
            seen = [
                SessionOrigin(
                    ip=session.ip,
                    user_agent=session.user_agent,
                    first_seen_at=session.created_at,
                    last_seen_at=session.last_used_at,
                )
            ]
        for origin in seen:
            if (origin.ip, origin.user_agent) == latest:
                origin.last_seen_at = session.last_used_at
        addresses = dict.fromkeys(origin.ip for origin in seen if origin.ip != session.ip)
        session.seen, session.earlier = seen, list(addresses)


def session_rows(*, pks: Collection[uuid.UUID]) -> dict[uuid.UUID, Session]:
    """Return several sessions as a list shows them, by their ids."""
    return {row.pk: row for row in _finish(Session.objects.filter(pk__in=pks))} if pks else {}


def active_first(*, query: SessionQuery, size: int) -> Page[Session]:
    """Return the first sessions of a list, the active ones before those that have ended.

    ``older`` is set if the list has more sessions.
    """
    active = replace(query, status=Status.ACTIVE).listing().page(size=size)
    found = query.listing().page(size=size)
    known = {row.pk for row in active.rows}
    rows = active.rows + [row for row in found.rows if row.pk not in known]
    more = active.older or found.older or len(rows) > size
    return Page(rows[:size], older="more" if more else "")


def live_sessions_of(*, user: AbstractBaseUser) -> Estimate:
    """Count the live sessions of ``user``, up to `HELD`."""
    held = live(Session.objects.filter(user=user.pk)).order_by()
    number = held.values("pk")[: HELD + 1].count()
    return counted(number, HELD)


def _finish(rows: Sessions) -> Sessions:
    return with_session_status(rows).select_related("user", "current")


def _walk_by_status(rows: Sessions, status: str) -> tuple[Walk[Session], tuple[str, ...]]:
    now: datetime = clock.now()
    match status:
        case Status.ACTIVE:
            return Walk(rows.filter(ends_at__gt=now)), BY_END
        case Status.EXPIRED:
            return Walk(rows.filter(ends_at__lte=now)), BY_END
        case Status.REVOKED:
            turns = rows.filter(revocations__pk__gt=0).annotate(turn=F("revocations__pk"))
            return Walk(turns), BY_REVOCATION
        case _:
            return Walk(rows), BY_USE


def _with_possible_status(rows: Sessions, status: str) -> Sessions:
    """Drop rows that can't have ``status``. `with_session_status` decides about the rest."""
    now = clock.now()
    match status:
        case Status.ACTIVE:
            return rows.filter(revoked_at=None, ends_at__gt=now)
        case Status.EXPIRED:
            return rows.filter(revoked_at=None, ends_at__lte=now)
        case Status.REVOKED:
            return rows.filter(seems_revoked(path="current", session=""))
        case _:
            return rows
