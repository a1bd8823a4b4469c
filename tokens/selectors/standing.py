"""Where a token stands, in one query: what every bearer call, refresh, verify and introspect
asks the database before it believes a signature."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session, SessionToken
from tokens.selectors.statement import Columns, as_instant, fetch_one

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.get_fixed_timezone(0))


def password_mark(user: Any) -> str:
    """A digest of the stored password hash: it changes when the password does, and opens
    nothing (the hash itself is salted and slow)."""
    return blake2b(user.password.encode(), digest_size=16, person=b"tokens.session").hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """``token`` is the presented refresh token's row (None for an access token, or an unknown
    jti); ``used_up`` whether simplejwt's blacklist holds it; ``current_ended`` whether it holds
    the session's current token, as after a logout at another service on the same tables."""

    session: Session
    user: Any | None
    token: OutstandingToken | None
    used_up: bool
    current_ended: bool
    cutoff: datetime | None

    @property
    def is_current(self) -> bool:
        """Whether the presented token is the one of its session that may be rotated."""
        return self.token is not None and self.token.pk == self.session.current_id

    @property
    def password_unchanged(self) -> bool:
        return self.user is not None and password_mark(self.user) == self.session.password_mark

    @property
    def cut_off(self) -> bool:
        return self.cutoff is not None and self.session.created_at < self.cutoff


def held_account(*, key: Any) -> tuple[Any | None, datetime]:
    """The account of a login, its row locked until the transaction ends (None where it is gone),
    and the cut-off in force for it: the later of its own and everybody's; 1970 if none."""
    question = _account(connection.vendor)
    row = fetch_one(question.sql, [key], binary=question.binary)
    return question.read(row) if row is not None else (None, EPOCH)


def standing(*, sid: uuid.UUID, jti: str | None = None, lock: bool = False) -> Standing | None:
    """Session, user, cut-off and (for a refresh token's ``jti``) token of a session, or None
    where the session is unknown. ``lock`` holds the session's row until the transaction ends.
    """
    where = _look(sid, jti, lock)
    if where is None or not lock or where.is_current:
        return where
    # A locking read that had to wait goes on with the joined rows of its old snapshot (READ
    # COMMITTED reads anew only the row that it locks), so it may have missed a successor that
    # the other transaction has just written. The session's own row is always the latest, and
    # says so: look again, now that nobody else can move it.
    return _look(sid, jti, lock=False)


def _look(sid: uuid.UUID, jti: str | None, lock: bool) -> Standing | None:
    question = _question(connection.vendor, jti is not None)
    key = Session._meta.pk.get_db_prep_value(sid, connection)
    params = [key] if jti is None else [jti, key]
    row = fetch_one(question.locking if lock else question.sql, params, binary=question.binary)
    return question.read(row) if row is not None else None


CUTOFFS = """SELECT
    (SELECT not_before FROM {cutoff} WHERE user_id IS NULL ORDER BY not_before DESC LIMIT 1),
    (SELECT not_before FROM {cutoff} WHERE user_id = {owner} ORDER BY not_before DESC LIMIT 1), """
SESSION = "EXISTS (SELECT 1 FROM {blacklist} WHERE token_id = s.current_id), {s}, {u}"
PRESENTED = ", EXISTS (SELECT 1 FROM {blacklist} WHERE token_id = t.id), {t}"
SOURCE = " FROM {session} s LEFT JOIN {user} u ON u.{user_key} = s.user_id"
JOIN_PRESENTED = """ LEFT JOIN {outstanding} t ON t.jti = %s AND EXISTS
    (SELECT 1 FROM {membership} m WHERE m.token_id = t.id AND m.session_id = s.id)"""


# What a bearer call has no use for: without it the row of the answer is a third shorter.
UNASKED = frozenset(
    [
        "last_used_at",
        "ends_at",
        "ip",
        "user_agent",
        "client",
        "rotations",
        "previous",
        "rotated_at",
        "revoked_by",
        "revoked_by_name",
    ]
)


class _Question:
    """The one statement, with or without a presented refresh token in it."""

    def __init__(self, *, presented: bool) -> None:
        self._session = Columns(Session, "s", without=frozenset() if presented else UNASKED)
        self._user = Columns(get_user_model(), "u")
        self._token = Columns(OutstandingToken, "t")
        self.binary = self._session.plain and self._user.plain
        names = {"s": self._session.sql, "u": self._user.sql, "t": self._token.sql}
        more, joined = (PRESENTED, JOIN_PRESENTED) if presented else ("", "")
        parts = (CUTOFFS, SESSION, more, SOURCE, joined, " WHERE s.id = %s")
        self.sql = "".join(parts).format(owner="s.user_id", **names, **_names())
        self.locking = self.sql + _lock("s")

    def read(self, row: tuple[Any, ...]) -> Standing:
        at = 3 + self._session.width
        session = self._session.instance(row[3:at])
        session.user = user = self._user.instance(row[at : at + self._user.width])
        at += self._user.width
        token = self._token.instance(row[at + 1 :]) if len(row) > at else None
        return Standing(
            session=session,
            user=user,
            token=token,
            used_up=token is not None and bool(row[at]),
            current_ended=bool(row[2]),
            cutoff=_latest(row),
        )


@lru_cache(maxsize=4)
def _question(vendor: str, presented: bool) -> _Question:
    return _Question(presented=presented)


class _AccountQuestion:
    """The cut-offs and the row of an account, which is held where rows can be."""

    def __init__(self) -> None:
        self._user = Columns(get_user_model(), "u")
        self.binary = self._user.plain
        names = _names() | {"u": self._user.sql}
        text = CUTOFFS + "{u} FROM {user} u WHERE u.{user_key} = %s"
        self.sql = text.format(owner=f"u.{names['user_key']}", **names) + _lock("u")

    def read(self, row: tuple[Any, ...]) -> tuple[Any, datetime]:
        return self._user.instance(row[2:]), _latest(row) or EPOCH


@lru_cache(maxsize=2)
def _account(vendor: str) -> _AccountQuestion:
    return _AccountQuestion()


def _names() -> dict[str, str]:
    """The tables and keys that the statements name, quoted."""
    quote = connection.ops.quote_name
    tables = {
        "cutoff": Cutoff,
        "blacklist": BlacklistedToken,
        "session": Session,
        "user": get_user_model(),
        "membership": SessionToken,
        "outstanding": OutstandingToken,
    }
    names = {name: quote(model._meta.db_table) for name, model in tables.items()}
    return names | {"user_key": quote(str(get_user_model()._meta.pk.column))}


def _lock(alias: str) -> str:
    # SQLite has no row locks: there the transaction took the write lock when it began.
    locks = connection.features.has_select_for_no_key_update
    return f" FOR NO KEY UPDATE OF {alias}" if locks else ""


def _latest(row: tuple[Any, ...]) -> datetime | None:
    """The cut-off in force, of a row that begins with `CUTOFFS`."""
    field: Any = Cutoff._meta.get_field("not_before")
    instants = (as_instant(raw, field) for raw in row[:2] if raw is not None)
    return max((instant for instant in instants if instant is not None), default=None)
