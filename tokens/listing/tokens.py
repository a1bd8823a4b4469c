"""The list of outstanding tokens."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy

from tokens.db import clock
from tokens.listing.columns import ADMIN, ADMIN_PAGE, API, TABLE, USER_ID, Column, ColumnType
from tokens.listing.pagination import FAR_LOOK, LOOK, SHORT_LOOK, Listing, Walk, unchanged
from tokens.listing.query import Text
from tokens.listing.revocable import Narrowing, RevocableQuery, any_of
from tokens.listing.search import Lookups, between
from tokens.listing.status import Status, live, live_foreign, seems_revoked, with_token_status
from tokens.models import OutstandingToken, Session
from tokens.validation.legacy import transition_over
from tokens.validation.token_context import EPOCH

Tokens = QuerySet[OutstandingToken]
BY_ID = ("id",)
BY_ISSUED = ("created_at", "id")
BY_EXPIRY = ("expires_at", "id")
# By the last use of the session; the tokens of one session follow each other.
BY_USE = ("used", "id")
BY_END = ("ends_at", "id")
# The order in which the sessions were revoked.
BY_REVOCATION = ("turn",)
SESSION = "membership__session__"
# How the search and the user name a token's row, and how they name the session of which it is the
# current token.
AS_SESSION = {
    "pk__in": "current__in",
    "membership__session": "pk",
    "membership__session__in": "pk__in",
    "user_id": "user_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuery(RevocableQuery[OutstandingToken]):
    """Outstanding tokens, the last recorded first.

    ``issued`` and ``expires`` are a token's own instants; ``used`` is the last use of its
    session.

    Filters on the session (address, device, client, last use) walk along the sessions, the last
    used first. So does a status without another filter: active and expired tokens come in the
    order in which they end, revoked ones in the order of their revocation, rotated ones by the
    last use of their session. These lists leave out tokens that belong to no session (another
    service recorded them). Such a token is found by its user, its jti or its instants. While legacy
    tokens are accepted, a status alone walks along the tokens, so that these are found too.
    """

    noun: ClassVar[Text] = gettext_lazy("tokens")
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "jti",
            TABLE | ADMIN_PAGE | API,
            label=gettext_lazy("Token"),
            cell="token_id",
            example="7ca1e2f0b1c94d1f8b6a54d0c0a9f028",
        ),
        Column("short_jti", ADMIN),
        Column(
            "status",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.CHOICE,
            label=gettext_lazy("Status"),
            cell="status",
            choices=tuple(Status.values),
            example="active",
        ),
        Column(
            "user",
            TABLE | ADMIN | ADMIN_PAGE,
            label=gettext_lazy("User"),
            cell="person",
            heads=True,
        ),
        USER_ID,
        Column("username", API, path="user.get_username", null=True, example="alice"),
        Column(
            "session",
            ADMIN_PAGE | API,
            type=ColumnType.UUID,
            path="session_id",
            null=True,
            help="null: another service recorded it",
            example="d3b0c366-6904-4165-83ef-a9024339380a",
        ),
        Column(
            "issued_at",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Issued"),
            path="created_at",
            null=True,
            example="2026-11-02T09:05:10Z",
        ),
        Column(
            "last_used_at",
            TABLE,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Last used"),
            path="membership.session.last_used_at",
        ),
        Column(
            "expires_at",
            TABLE | ADMIN | ADMIN_PAGE | API,
            type=ColumnType.INSTANT,
            label=gettext_lazy("Expires"),
            cell="token_expiry",
            example="2026-11-09T09:05:10Z",
        ),
        Column("device", TABLE | ADMIN, label=gettext_lazy("Device"), cell="device"),
        Column("ip", ADMIN),
        Column("ended", TABLE, label=gettext_lazy("Ended"), cell="ended"),
    )

    def listing(self) -> Listing[OutstandingToken]:
        """Return the tokens with ``status``, ``session_id``, their user and their session."""
        found = self._narrow(sid="membership__session", key="pk")
        tokens: Tokens = OutstandingToken.objects.order_by()
        issued, expires = self._range("issued", ""), self._range("expires", "")
        loose = Q(**{f"{SESSION}{name}": value for name, value in found.loose.items()})
        if found.networks[1:]:
            also = Session.objects.order_by().filter(found.seen_also)
            loose &= Q(membership__session__in=also.values("pk"))
        walks: list[Walk[OutstandingToken]]
        key: tuple[str, ...]
        if self._by_session(found):
            columns = found.equal | self._used()
            walks, key = (
                [
                    _walk_by_use(way, columns | seen)
                    for way in found.alternatives
                    for seen in found.seen
                ],
                BY_USE,
            )
            loose &= issued & expires
        elif found.named:
            walks, key = [Walk(tokens.filter(**way)) for way in found.alternatives], BY_ID
            loose &= issued & expires
        elif issued:
            walks, key, loose = [Walk(tokens.filter(issued))], BY_ISSUED, expires
        elif expires:
            walks, key = [Walk(tokens.filter(expires))], BY_EXPIRY
        elif self._has_legacy_tokens():
            walks, key = [Walk(tokens)], BY_ID
        else:
            walk, key = _walk_by_status(tokens, self.status)
            walks = [walk]

        def coarse(rows: Tokens) -> Tokens:
            rows = rows.filter(loose)
            if key == BY_END:
                return rows.filter(current_of__revoked_at=None)
            if key == BY_USE:
                return _with_possible_status_by_session(rows, self.status)
            return _with_possible_status(rows, self.status)

        bounded = loose or (self.status and key != BY_REVOCATION)
        return Listing(
            rows=tuple(walks),
            key=key,
            finish=_finish,
            coarse=coarse if bounded else unchanged,
            exact=Q(status=self.status) if self.status else None,
            look=SHORT_LOOK
            if self.status == Status.REVOKED
            else FAR_LOOK
            if key == BY_END
            else LOOK,
            mark=self.mark,
        )

    def live_sessions(self) -> "QuerySet[Session]":
        """Return the sessions whose current token is in the list, and live."""
        if not self.shows_live_rows:
            return Session.objects.none()
        found = self._narrow(sid="membership__session", key="pk")
        alternatives = [
            {AS_SESSION[name]: v for name, v in one.items()} for one in found.alternatives
        ]
        wanted = found.sessions & between("last_used_at", *self.limits("used"))
        wanted &= self._range("issued", "current__") & self._range("expires", "current__")
        sessions: QuerySet[Session] = live(
            Session.objects.filter(wanted).filter(any_of(alternatives))
        )
        return sessions

    def live_foreign_tokens(self) -> Tokens:
        """Return the live tokens of the list that belong to no session."""
        found = self._narrow(sid="membership__session", key="pk")
        ranges = self._range("issued", "") & self._range("expires", "")
        by_status = self.status and not (found.named or ranges or self._has_legacy_tokens())
        of_sessions = self._by_session(found) or by_status
        if not self.shows_live_rows or of_sessions:
            nothing: Tokens = OutstandingToken.objects.none()
            return nothing
        rows: Tokens = OutstandingToken.objects.filter(ranges).filter(any_of(found.alternatives))
        return live_foreign(rows)

    def _by_session(self, found: Narrowing) -> bool:
        """Return whether a filter on the session makes the list walk along the sessions."""
        return bool(found.equal or found.loose or found.networks or any(self.limits("used")))

    def _has_legacy_tokens(self) -> bool:
        """Return whether the status alone leads to legacy tokens, which are never rotated."""
        return self.status != Status.ROTATED and not transition_over()

    def _range(self, name: str, prefix: str) -> Q:
        column = {"issued": "created_at", "expires": "expires_at"}[name]
        return between(f"{prefix}{column}", *self.limits(name))

    def _used(self) -> Lookups:
        """Return the bounds of the session's last use.

        A session is used when a token of it is issued, so `issued_after` bounds the last
        use too.
        """
        used_after, before = self.limits("used")
        bounds = (self.limits("issued")[0], used_after)
        since = max((bound for bound in bounds if bound is not None), default=None)
        span: Lookups = {} if since is None else {"last_used_at__gte": since}
        return span if before is None else span | {"last_used_at__lt": before}


def token_row(*, pk: int) -> OutstandingToken | None:
    """Return one token as a list shows it."""
    return _finish(OutstandingToken.objects.filter(pk=pk)).first()


def token_rows(*, pks: list[int]) -> list[OutstandingToken]:
    """Return several tokens as a list shows them, the last recorded first."""
    return list(_finish(OutstandingToken.objects.filter(pk__in=pks)).order_by("-id"))


def foreign_tokens_of(*, user: AbstractBaseUser, most: int) -> list[OutstandingToken]:
    """Return the newest live tokens of ``user`` that belong to no session.

    Only the newest `LOOK` tokens are read.
    """
    newest = OutstandingToken.objects.filter(user=user.pk).order_by("-id").values("pk")[:LOOK]
    rows = live_foreign(OutstandingToken.objects.filter(pk__in=newest))
    keys = list(rows.order_by("-id").values_list("pk", flat=True)[:most])
    return token_rows(pks=keys)


def live_tokens_without_session(*, jtis: Collection[str]) -> set[str]:
    """Return which of these ids belong to live refresh tokens without a session."""
    if not jtis:
        return set()
    rows = live_foreign(OutstandingToken.objects.filter(jti__in=jtis))
    return set(rows.values_list("jti", flat=True))


def _finish(rows: Tokens) -> Tokens:
    return with_token_status(rows).select_related("user", "membership__session")


def _walk_by_use(way: Lookups, columns: Lookups) -> Walk[OutstandingToken]:
    """Walk the tokens of the sessions that match ``columns``.

    A way that leads to a few tokens walks along those instead.
    """
    used = f"{SESSION}last_used_at"
    # The bound excludes nothing. It makes the planner use the index of the last use.
    rows = OutstandingToken.objects.annotate(used=F(used)).filter(**{f"{used}__gt": EPOCH})
    rows = rows.filter(**{f"{SESSION}{name}": value for name, value in columns.items()})
    if way.keys() - {"user_id"}:
        return Walk(rows.filter(**way))
    rows = rows.filter(**{f"{SESSION}{name}": value for name, value in way.items()})
    return Walk(rows, Session.objects.filter(**columns, **way), "last_used_at")


def _walk_by_status(tokens: Tokens, status: str) -> tuple[Walk[OutstandingToken], tuple[str, ...]]:
    now = clock.now()
    match status:
        case Status.ACTIVE:
            return _walk_by_end(tokens, ends_at__gt=now), BY_END
        case Status.EXPIRED:
            return _walk_by_end(tokens, ends_at__lte=now), BY_END
        case Status.REVOKED:
            turns = tokens.filter(current_of__revocations__pk__gt=0)
            return Walk(turns.annotate(turn=F("current_of__revocations__pk"))), BY_REVOCATION
        case Status.ROTATED:
            return _walk_by_use({}, {}), BY_USE
        case _:
            return Walk(tokens), BY_ID


def _walk_by_end(tokens: Tokens, **when: datetime) -> Walk[OutstandingToken]:
    """Walk the current tokens of the sessions that end ``when``."""
    rows = tokens.filter(**{f"current_of__{name}": limit for name, limit in when.items()})
    steps = Session.objects.filter(**when)
    return Walk(rows.annotate(ends_at=F("current_of__ends_at")), steps, "ends_at")


def _with_possible_status_by_session(rows: Tokens, status: str) -> Tokens:
    """Drop rows of a walk along the sessions that can't have ``status``.

    `with_token_status` decides about the rest.
    """
    now = clock.now()
    current = Q(membership__session__current=F("pk"))
    unended = current & Q(membership__session__revoked_at=None)
    match status:
        case Status.ACTIVE:
            return rows.filter(unended, membership__session__ends_at__gt=now)
        case Status.EXPIRED:
            return rows.filter(unended, membership__session__ends_at__lte=now)
        case Status.REVOKED:
            return rows.filter(current, seems_revoked(session=SESSION))
        case Status.ROTATED:
            return rows.filter(~current)
        case _:
            return rows


def _with_possible_status(rows: Tokens, status: str) -> Tokens:
    """Drop rows of a walk along the tokens that can't have ``status``, as above."""
    last = Q(current_of__isnull=False) | Q(membership__isnull=True)
    match status:
        case Status.ACTIVE:
            return rows.filter(last, expires_at__gt=clock.now())
        case Status.REVOKED:
            return rows.filter(last, seems_revoked(session="current_of__"))
        case Status.EXPIRED:
            return rows.filter(last)
        case Status.ROTATED:
            return rows.filter(membership__isnull=False, current_of__isnull=True)
        case _:
            return rows
