"""Revoke one session or one token, and the statements that every revocation is made of.

The statements lock and end any number of sessions and tokens, and write no event.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import DateTimeField, Model, QuerySet, Value
from django.db.models.sql import UpdateQuery

from tokens import audit
from tokens.audit.record import clean_text, name_of
from tokens.audit.targets import Target
from tokens.db import clock
from tokens.models import BlacklistedToken, Kind, OutstandingToken, RevokedSession, Session
from tokens.models.lengths import REASON_LENGTH
from tokens.origin import Actor
from tokens.revocation.reviews import require


@dataclass(frozen=True, slots=True)
class Revocation:
    """Count what an act ended. All counts are zero if everything had ended before.

    ``browsers`` says that it may have ended browser sessions, which are not counted.
    ``targets`` names the sessions and their users. A sum of several has the counts alone.
    """

    tokens: int = 0
    sessions: int = 0
    users: int = 0
    browsers: bool = field(default=False, compare=False)
    targets: tuple[Target, ...] = field(default=(), compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.tokens or self.sessions or self.browsers)

    def __add__(self, other: "Revocation") -> "Revocation":
        return Revocation(
            self.tokens + other.tokens,
            self.sessions + other.sessions,
            self.users + other.users,
            self.browsers or other.browsers,
        )


def revoke_token(*, jti: str, actor: Actor, reason: str) -> Revocation:
    """Revoke a token and, with it, its session. An unknown jti ends nothing."""
    token = (
        OutstandingToken.objects.select_related("user", "membership__session__user")
        .filter(jti=jti)
        .first()
    )
    if token is None:
        return Revocation()
    require(actor=actor, user=token.user)
    membership = getattr(token, "membership", None)
    if membership is not None:
        return revoke_session(
            session=membership.session,
            actor=actor,
            reason=reason,
            kind=Kind.REVOKE_TOKEN,
            jti=jti,
        )
    with transaction.atomic():
        if token.user is not None:
            # A legacy token that is being refreshed holds this lock until it has a session.
            lock_user(user=token.user)
            opened = Session.objects.filter(memberships__token=token).first()
            if opened is not None:
                return revoke_session(
                    session=opened, actor=actor, reason=reason, kind=Kind.REVOKE_TOKEN, jti=jti
                )
        ended = end_tokens(tokens=OutstandingToken.objects.filter(pk=token.pk))
        if ended:
            audit.record(
                kind=Kind.REVOKE_TOKEN, actor=actor, subject=token.user, jti=jti, reason=reason
            )
        return ended


def revoke_session(
    *,
    session: Session,
    actor: Actor,
    reason: str,
    kind: Kind = Kind.REVOKE_SESSION,
    jti: str = "",
) -> Revocation:
    """Revoke one session.

    ``kind`` and ``jti`` name the act in the audit trail: a logout, a reuse, the token that a member
    of staff chose. Raises PermissionDenied for a superuser's session if the actor is staff without
    ``revoke_superuser``.
    """
    if kind is Kind.REVOKE_SESSION:
        require(actor=actor, user=session.user)
    with transaction.atomic():
        chosen = Session.objects.filter(pk=session.pk)
        lock_sessions(sessions=chosen)
        ended = end_sessions(sessions=chosen, actor=actor, reason=reason)
        if ended:
            audit.record(
                kind=kind,
                actor=actor,
                subject=session.user,
                subject_name=session.username,
                session=session.pk,
                jti=jti,
                reason=reason,
                count=ended.tokens,
            )
        return ended


# --- Statements.


def lock_user(*, user: AbstractBaseUser) -> None:
    """Lock the user's row, as a login does. A deleted user has no row and no login in flight."""
    lock_users(keys=[user.pk])


def lock_users(*, keys: list[int | str]) -> None:
    """Lock the rows of users, in the order of their keys."""
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    list(users.filter(pk__in=keys).order_by("pk").values_list("pk"))


def lock_sessions(*, sessions: "QuerySet[Session]") -> None:
    """Lock the rows of sessions, in the order of their keys.

    The database counts them, so that it does not send thousands of keys.
    """
    locked = sessions.select_for_update(no_key=True).order_by("pk").values("pk")
    if connection.features.has_select_for_update:
        try:
            select, params = locked.query.sql_with_params()
        except EmptyResultSet:  # A list of no keys: there is nothing to lock.
            return
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({select}) AS locked", params)  # noqa: S608


def end_sessions(
    *, sessions: "QuerySet[Session]", actor: Actor, reason: str, users: int = 1
) -> Revocation:
    """Mark sessions as revoked, and blacklist the current token of each.

    It runs two statements for any number of sessions, four on SQLite. ``sessions`` must not filter
    on a column that this changes. The update waits for a rotation that has locked a row, and the
    insert then reads the successor.
    """
    now = clock.now()
    ended = _mark_revoked(
        sessions,
        revoked_at=now,
        revoked_by=actor,
        revoked_by_name=name_of(actor),
        revoke_reason=clean_text(reason, REASON_LENGTH),
    )
    if not ended:
        return Revocation()
    with_token = sessions.filter(revoked_at=now, current__isnull=False)
    return Revocation(blacklist(with_token, "current_id", now), len(ended), users, targets=ended)


def end_tokens(*, tokens: "QuerySet[OutstandingToken]", users: int = 1) -> Revocation:
    """Blacklist tokens that have no session, such as another service's."""
    ended = blacklist(tokens, "pk", clock.now())
    return Revocation(ended, 0, users if ended else 0)


def _mark_revoked(
    sessions: "QuerySet[Session]", *, revoked_at: datetime, **columns: object
) -> tuple[Target, ...]:
    """Update the sessions that are not revoked yet, and add them to `RevokedSession`.

    Returns these sessions with their users.
    """
    chosen = sessions.filter(revoked_at=None)
    revoked_table = connection.ops.quote_name(RevokedSession._meta.db_table)
    if connection.vendor != "postgresql":
        if not chosen.update(revoked_at=revoked_at, **columns):
            return ()
        marked = sessions.filter(revoked_at=revoked_at)
        keys, params = marked.values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {revoked_table} (session_id) {keys}", params)
        return tuple(marked.values_list("pk", "user_id"))
    query = cast(UpdateQuery, chosen.query.chain(UpdateQuery))
    query.add_update_values({"revoked_at": revoked_at, **columns})
    try:
        update, params = query.sql_with_params()
    except EmptyResultSet:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH ended AS ({update} RETURNING id, user_id),"  # noqa: S608
            f" listed AS (INSERT INTO {revoked_table} (session_id) SELECT id FROM ended)"
            " SELECT id, user_id FROM ended",
            params,
        )
        return tuple(cursor.fetchall())


def blacklist(rows: "QuerySet[Model]", token: str, now: datetime) -> int:
    """Insert the tokens of ``rows`` into simplejwt's blacklist, and return how many are new.

    The foreign key locks the rows of the tokens, here in the order of their keys.
    """
    chosen = rows.order_by(token).annotate(ended_at=Value(now, output_field=DateTimeField()))
    try:
        select, params = chosen.values_list(token, "ended_at").query.sql_with_params()
    except EmptyResultSet:
        return 0
    table = connection.ops.quote_name(BlacklistedToken._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (token_id, blacklisted_at) {select} ON CONFLICT DO NOTHING",
            params,
        )
        return int(cursor.rowcount)
