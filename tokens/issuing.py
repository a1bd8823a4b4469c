"""A session and its first pair of tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tokens import audit
from tokens.models import Event, Kind, OutstandingToken, Session, SessionToken
from tokens.origin import Origin, acting_from, current_origin
from tokens.selectors.standing import held_account, password_mark
from tokens.selectors.statement import RowInsert, fetch_all, mark_written
from tokens.signing import Token, access_for, at_rest, instant, new_refresh, sign


class LoginSuperseded(Exception):
    """Between the password check and the session, the account was deactivated or deleted, or
    its password changed: the login no longer stands."""


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """``refresh`` and ``access`` are signed, in JWS compact form; this is the one moment at
    which they exist here."""

    session: Session
    refresh: str = field(repr=False)
    access: str = field(repr=False)


def open_session(*, user: Any, origin: Origin | None = None, **claims: Any) -> IssuedPair:
    """Open a session of ``user``, who has just proved who he is; ``claims`` go into both tokens.

    Raises `LoginSuperseded` where the account has changed since it was loaded, and ValueError
    for a claim that is the portal's own.
    """
    where = origin or current_origin()
    with acting_from(where), transaction.atomic():
        account, cutoff = _hold(user)
        now = max(timezone.now(), cutoff)
        session = Session(
            user=account,
            username=account.get_username()[:254],
            password_mark=password_mark(account),
            created_at=now,
            last_used_at=now,
            expires_at=now + timedelta(days=settings.SESSION_DAYS),
            ip=where.ip,
            user_agent=where.user_agent[:512],
            client=where.client[:100],
        )
        refresh = new_refresh(
            user=account, sid=session.id, expires_at=session.expires_at, claims=claims
        )
        signed, first = to_store(refresh=refresh, user=account, now=now)
        session.ends_at = first.expires_at
        event = audit.unwritten(
            kind=Kind.LOGIN, actor=account, subject=account, session=session.id, jti=first.jti
        )
        write = _at_once if connection.vendor == "postgresql" else _one_by_one
        write(session, first, event)
    access = access_for(refresh=refresh, expires_at=session.expires_at)
    return IssuedPair(session, signed, sign(access))


def to_store(*, refresh: Token, user: Any, now: datetime) -> tuple[str, OutstandingToken]:
    """``refresh`` signed, and the row that records it outstanding, without its signature and not
    yet written."""
    signed = sign(refresh)
    return signed, OutstandingToken(
        user=user,
        jti=refresh["jti"],
        token=at_rest(signed),
        created_at=now,
        expires_at=instant(refresh.payload, "exp"),
    )


def _hold(user: Any) -> tuple[Any, datetime]:
    """The account, its row locked against a revoke-all and read again under the lock, and the
    cut-off in force: a login commits before a revocation (which then ends it too) or starts
    after it, never across."""
    held, cutoff = held_account(key=user.pk)
    if held is None or not held.is_active or held.password != user.password:
        raise LoginSuperseded
    return held, cutoff


def _one_by_one(session: Session, first: OutstandingToken, event: Event) -> None:
    first.save(force_insert=True)
    session.current = first
    session.save(force_insert=True)
    SessionToken.objects.create(token=first, session=session)
    audit.write(event)


def _at_once(session: Session, first: OutstandingToken, event: Event) -> None:
    """The same by one statement: four are four times waiting for the database."""
    sql, parts = _statement()
    rows = zip(parts, (first, session, SessionToken(session=session), event), strict=True)
    values = [value for part, row in rows for value in part.parameters(row)]
    ((first_key, event_key),) = fetch_all(sql, values)
    mark_written(first, first_key)
    mark_written(session, session.pk)
    mark_written(event, event_key)
    session.current = first
    audit.announce(event)


OPEN = """
WITH first AS ({} RETURNING id), session AS ({}), membership AS ({}), event AS ({} RETURNING id)
SELECT first.id, event.id FROM first, event"""


@lru_cache(maxsize=1)
def _statement() -> tuple[str, tuple[RowInsert, ...]]:
    parts = (
        RowInsert(OutstandingToken),
        RowInsert(Session, source="first", current_id="first.id"),
        RowInsert(SessionToken, source="first", token_id="first.id"),  # noqa: S106  (a column)
        audit.insert_beside(),
    )
    return OPEN.format(*(part.sql for part in parts)), parts
