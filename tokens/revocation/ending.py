"""The statements that end sessions, and the locks that come before them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import DateTimeField, QuerySet, Value
from django.db.models.sql import UpdateQuery
from django.utils import timezone

from tokens.audit.record import name_of
from tokens.models import BlacklistedToken, OutstandingToken, RevokedSession, Session


@dataclass(frozen=True, slots=True)
class Revocation:
    """What one act ended. All zero where there was nothing left to end."""

    tokens: int = 0
    sessions: int = 0
    users: int = 0

    def __bool__(self) -> bool:
        return bool(self.tokens or self.sessions)

    def __add__(self, other: "Revocation") -> "Revocation":
        return Revocation(
            self.tokens + other.tokens, self.sessions + other.sessions, self.users + other.users
        )


def hold_user(*, user: Any) -> None:
    """Lock the user's row, as a login does. A user who is gone has nothing in flight."""
    hold_users(keys=[user.pk])


def hold_users(*, keys: list[Any]) -> None:
    """Lock users in the order of their keys."""
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    list(users.filter(pk__in=keys).order_by("pk").values_list("pk"))


def hold_sessions(*, sessions: "QuerySet[Session]") -> None:
    """Lock sessions in the order of their keys. Counted there: nobody needs ten thousand keys
    here."""
    locked = sessions.select_for_update(no_key=True).order_by("pk").values("pk")
    if connection.features.has_select_for_update:
        select, params = locked.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({select}) AS locked", params)  # noqa: S608


def end_sessions(
    *, sessions: "QuerySet[Session]", actor: Any | None, reason: str, users: int = 1
) -> Revocation:
    """Mark the sessions revoked, and blacklist the token of each that could still be rotated.

    Two statements whatever their number, three on SQLite. ``sessions`` must not filter on what
    they change. The update waits for a rotation that holds a row, and the insert then reads the
    successor.
    """
    now = timezone.now()
    ended = _mark(
        sessions,
        revoked_at=now,
        revoked_by=actor,
        revoked_by_name=name_of(actor),
        revoke_reason=reason[:500],
    )
    if not ended:
        return Revocation()
    doomed = sessions.filter(revoked_at=now, current__isnull=False)
    return Revocation(_blacklist(doomed, "current_id", now), ended, users)


def end_tokens(*, tokens: "QuerySet[OutstandingToken]", users: int = 1) -> Revocation:
    """Blacklist tokens that belong to no session of ours."""
    ended = _blacklist(tokens, "pk", timezone.now())
    return Revocation(ended, 0, users if ended else 0)


def _mark(sessions: "QuerySet[Session]", *, revoked_at: datetime, **said: Any) -> int:
    """Set what says that they are revoked, and enter them among the revoked."""
    chosen = sessions.filter(revoked_at=None)
    noted = connection.ops.quote_name(RevokedSession._meta.db_table)
    if connection.vendor != "postgresql":
        ended = chosen.update(revoked_at=revoked_at, **said)
        keys, params = sessions.filter(revoked_at=revoked_at).values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {noted} (session_id) {keys}", params)
        return ended
    query = cast(UpdateQuery, chosen.query.chain(UpdateQuery))
    query.add_update_values({"revoked_at": revoked_at, **said})
    update, params = query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH ended AS ({update} RETURNING id)"  # noqa: S608
            f" INSERT INTO {noted} (session_id) SELECT id FROM ended",
            params,
        )
        return int(cursor.rowcount)


def _blacklist(rows: "QuerySet[Any]", token: str, now: datetime) -> int:
    """INSERT … SELECT into simplejwt's blacklist; rows already there stay as they are. In the
    order of the tokens, whose rows the foreign key's check then locks in that order."""
    chosen = rows.order_by(token).annotate(ended_at=Value(now, output_field=DateTimeField()))
    select, params = chosen.values_list(token, "ended_at").query.sql_with_params()
    table = connection.ops.quote_name(BlacklistedToken._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (token_id, blacklisted_at) {select} ON CONFLICT DO NOTHING",
            params,
        )
        return int(cursor.rowcount)
