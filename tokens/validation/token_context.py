"""Load what the validation of a token needs from the database, in one query.

Bearer calls, refresh, verify and introspect all run it, before they accept a signature.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection

from tokens.db import clock
from tokens.db.statements import Columns, Row, fetch_one, read_datetime
from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session, SessionToken
from tokens.models.readable import readable_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def password_mark(user: AbstractBaseUser) -> str:
    """Return a digest of the stored password hash, which changes with the password.

    It cannot be used to log in: the hash itself is salted and slow to compute.
    """
    return blake2b(user.password.encode(), digest_size=16, person=b"tokens.session").hexdigest()


@dataclass(frozen=True, slots=True)
class TokenContext:
    """Hold the session, the user and the cutoff of a presented token.

    ``token`` is the row of a presented refresh token; None for an access token or an unknown jti.
    ``used_up`` says whether simplejwt's blacklist holds it. ``current_ended`` says whether the
    blacklist holds the session's current token, as after a logout at another service on the same
    tables. ``now`` is the database's time at which all of this was so.
    """

    session: Session
    user: AbstractBaseUser | None
    token: OutstandingToken | None
    used_up: bool
    current_ended: bool
    cutoff: datetime | None
    now: datetime

    @property
    def is_current(self) -> bool:
        """Tell whether the presented token is its session's current one, which may be rotated."""
        return self.token is not None and self.token.pk == self.session.current_id

    @property
    def password_unchanged(self) -> bool:
        """Tell whether the user's password is the one that the session was opened with."""
        return self.user is not None and password_mark(self.user) == self.session.password_mark

    @property
    def cut_off(self) -> bool:
        """Tell whether the session was opened before the cutoff."""
        return self.cutoff is not None and self.session.created_at < self.cutoff


def load_token_context(
    *, sid: uuid.UUID, jti: str | None = None, lock: bool = False
) -> TokenContext | None:
    """Load the context of a token by its session and, for a refresh token, its ``jti``.

    Returns None for an unknown session. ``lock`` locks the session's row until the transaction
    ends.
    """
    context = _load(sid, jti, lock=lock)
    if context is None or not lock or context.is_current:
        return context
    # A locking read that had to wait continues with the joined rows of its old snapshot: READ
    # COMMITTED re-reads only the locked row. So it may have missed the successor that the other
    # transaction has just written, while the session's row already names it. Load again: the lock
    # keeps other transactions from moving the session.
    return _load(sid, jti, lock=False)


@dataclass(frozen=True, slots=True)
class LockedAccount:
    """Hold an account whose row is locked; None if the row is gone.

    ``cutoff`` is the later of the account's own and the one for everybody, or 1970 if there is
    none. ``now`` is the database's time after the lock was granted.
    """

    user: AbstractBaseUser | None
    cutoff: datetime
    now: datetime


def lock_account(*, key: object) -> LockedAccount:
    """Lock the row of an account until the transaction ends."""
    query = _account_query(connection.vendor)
    prepared = get_user_model()._meta.pk.get_db_prep_value(key, connection)
    row = fetch_one(query.sql, [prepared], binary=query.binary)
    return query.read(row) if row is not None else LockedAccount(None, EPOCH, clock.now())


def _load(sid: uuid.UUID, jti: str | None, *, lock: bool) -> TokenContext | None:
    query = _context_query(connection.vendor, jti is not None)
    key = Session._meta.pk.get_db_prep_value(sid, connection)
    params = [key] if jti is None else [jti, key]
    row = fetch_one(query.locking_sql if lock else query.sql, params, binary=query.binary)
    return query.read(row) if row is not None else None


# The clock is read outside of the subquery, which locks the row.
WITH_CLOCK = "SELECT {clock}, q.* FROM ({query}) q"
CUTOFFS = """SELECT
    (SELECT {not_before} FROM {cutoff} WHERE user_id IS NULL ORDER BY not_before DESC LIMIT 1),
    (SELECT {not_before} FROM {cutoff} WHERE user_id = {owner}
     ORDER BY not_before DESC LIMIT 1), """
SESSION = "EXISTS (SELECT 1 FROM {blacklist} WHERE token_id = s.current_id), {s}, {u}"
PRESENTED = ", EXISTS (SELECT 1 FROM {blacklist} WHERE token_id = t.id), {t}"
SOURCE = " FROM {session} s LEFT JOIN {user} u ON u.{user_key} = s.user_id"
JOIN_PRESENTED = """ LEFT JOIN {outstanding} t ON t.jti = %s AND EXISTS
    (SELECT 1 FROM {membership} m WHERE m.token_id = t.id AND m.session_id = s.id)"""


# The fields of the session that a bearer call needs. Without the others its row is a third shorter.
FOR_BEARER = frozenset(
    {"id", "user", "username", "password_mark", "created_at", "expires_at", "current"}
    | {"revoked_at", "revoke_reason"}
)
NOT_FOR_BEARER = frozenset(field.name for field in Session._meta.fields) - FOR_BEARER


class _ContextQuery:
    """Build the query of `load_token_context` and read its row.

    ``presented`` adds the row of a presented refresh token.
    """

    def __init__(self, *, presented: bool) -> None:
        without = frozenset[str]() if presented else NOT_FOR_BEARER
        self._session = Columns(Session, "s", without=without)
        self._user = Columns(get_user_model(), "u")
        self._token = Columns(OutstandingToken, "t")
        self.binary = self._session.binary and self._user.binary
        names = {"s": self._session.sql, "u": self._user.sql, "t": self._token.sql}
        columns, join = (PRESENTED, JOIN_PRESENTED) if presented else ("", "")
        parts = (CUTOFFS, SESSION, columns, SOURCE, join, " WHERE s.id = %s")
        sql = "".join(parts).format(owner="s.user_id", **names, **_quoted_names())
        self.sql = _with_clock(sql)
        self.locking_sql = _with_clock(sql + _lock_clause("s"))

    def read(self, row: Row) -> TokenContext | None:
        at = 4 + self._session.width
        session = self._session.instance(row[4:at])
        if session is None:
            return None
        user = self._user.instance(row[at : at + self._user.width])
        session.user = user
        at += self._user.width
        token = self._token.instance(row[at + 1 :]) if len(row) > at else None
        return TokenContext(
            session=session,
            user=user,
            token=token,
            used_up=token is not None and bool(row[at]),
            current_ended=bool(row[3]),
            cutoff=_latest_cutoff(row),
            now=clock.read(row[0]),
        )


@lru_cache(maxsize=4)
def _context_query(vendor: str, presented: bool) -> _ContextQuery:
    return _ContextQuery(presented=presented)


class _AccountQuery:
    """Build the query of `lock_account` and read its row."""

    def __init__(self) -> None:
        self._user = Columns(get_user_model(), "u")
        self.binary = self._user.binary
        names = _quoted_names() | {"u": self._user.sql}
        text = CUTOFFS + "{u} FROM {user} u WHERE u.{user_key} = %s"
        sql = text.format(owner=f"u.{names['user_key']}", **names) + _lock_clause("u")
        self.sql = _with_clock(sql)

    def read(self, row: Row) -> LockedAccount:
        user, cutoff = self._user.instance(row[3:]), _latest_cutoff(row)
        return LockedAccount(user, cutoff or EPOCH, clock.read(row[0]))


@lru_cache(maxsize=2)
def _account_query(vendor: str) -> _AccountQuery:
    return _AccountQuery()


def _quoted_names() -> dict[str, str]:
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
    return names | {
        "user_key": quote(str(get_user_model()._meta.pk.column)),
        "not_before": readable_time("not_before", vendor=connection.vendor),
    }


def _with_clock(sql: str) -> str:
    return WITH_CLOCK.format(clock=clock.column(), query=sql)


def _lock_clause(alias: str) -> str:
    # SQLite has no row locks: its transactions take the database's write lock when they begin.
    locks = connection.features.has_select_for_no_key_update
    return f" FOR NO KEY UPDATE OF {alias}" if locks else ""


def _latest_cutoff(row: Row) -> datetime | None:
    """Return the later of the two cutoffs of `CUTOFFS`, which follow the clock in each row."""
    field = Cutoff._meta.get_field("not_before")
    cutoffs = [read_datetime(raw, field) for raw in row[1:3] if raw is not None]
    return max(filter(None, cutoffs), default=None)
