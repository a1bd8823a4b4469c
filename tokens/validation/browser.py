"""Decide whether a browser session, that is a cookie session of Django, goes on.

Each browser session holds the instant at which it was opened, and the id of its `BrowserSession`.
It is over as soon as a cutoff for its user is later, or its row has ended or is gone.
`tokens.web.middleware` asks for each request that has a user.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import DateTimeField, Func, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

from tokens.conf import app_settings
from tokens.db import clock
from tokens.models import BrowserCutoff, BrowserSession, Cutoff
from tokens.models.readable import after, readable_time
from tokens.validation.token_context import EPOCH

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

OPENED, VALID_FROM, ROW = "tokens_opened", "tokens_valid_from", "tokens_browser"
PROVED_UNTIL = "tokens_proved_until"
# The last use is written at most this often.
WRITTEN_EVERY = timedelta(minutes=1)
# The attributes of a user that `with_browser_state` loads.
CUTOFF, USED = "tokens_browser_cutoff", "tokens_browser_used"


def belongs_to(session: SessionBase | None, user: AbstractBaseUser) -> bool:
    """Tell whether ``user`` is logged in with ``session``, and not by a token or a header."""
    key = session.get(SESSION_KEY) if session is not None else None
    return key is not None and key == user._meta.pk.value_to_string(user)


def mark_opened(session: SessionBase, *, at: datetime) -> None:
    """Let the session count as opened ``at`` this instant."""
    session[OPENED] = at.isoformat()
    session.pop(VALID_FROM, None)


def spare(session: SessionBase, *, until: datetime) -> None:
    """Let no cutoff up to this instant end the session."""
    session[VALID_FROM] = until.isoformat()


def opened_at(session: SessionBase) -> datetime | None:
    """Return when the session was opened; None without Django's login signal."""
    opened = session.get(OPENED)
    return datetime.fromisoformat(opened) if opened else None


def valid_from(session: SessionBase | Mapping[str, Any]) -> datetime:
    """Return the instant after which a cutoff ends the session, or the one with this content.

    That is when it was opened, or spared. A session that is older than the app's check, or that
    was opened without Django's login signal, counts as opened when the check was installed.
    """
    begun = session.get(VALID_FROM) or session.get(OPENED)
    return datetime.fromisoformat(begun) if begun else _installed_at()


def row_id(session: SessionBase) -> UUID:
    """Return the id of the row of a session in which a user is logged in.

    A session that was opened before there were rows, or without Django's login signal, holds none.
    Its id then follows from what such a session keeps, so that no copy of its cookie has another.
    """
    if given := session.get(ROW):
        return UUID(given)
    lasting = f"{session[SESSION_KEY]} {session.get(OPENED) or session.session_key}"
    return UUID(bytes=sha256(lasting.encode()).digest()[:16])


def mark_proved(session: SessionBase, *, at: datetime) -> None:
    """Note that the session's user proved ``at`` this instant who they are."""
    session[PROVED_UNTIL] = (at + timedelta(minutes=app_settings.STEP_UP_MINUTES)).isoformat()


def has_fresh_proof(session: SessionBase) -> bool:
    """Tell whether the session's user proved lately who they are, or is never asked to."""
    until = session.get(PROVED_UNTIL)
    fresh = until is not None and clock.now() < datetime.fromisoformat(until)
    return fresh or not app_settings.STEP_UP_MINUTES


def is_over(*, session: SessionBase, user: AbstractBaseUser) -> bool:
    """Tell whether a cutoff, a revocation or an end has ended a browser session of ``user``.

    One that has no row yet goes on: `tokens.sessions.browsers` adds it.
    """
    _load_state(session=session, user=user)
    if is_cut_off(user=user, opened=valid_from(session)):
        return True
    if last_use(user) is not None:
        return False
    if ROW in session or BrowserSession.objects.filter(pk=row_id(session)).exists():
        return True
    now = clock.now()
    return end_of(session, opened=opened_at(session) or now, now=now) <= now


def end_of(session: SessionBase, *, opened: datetime, now: datetime) -> datetime:
    """Return when a session that is used now ends, unless it is used again.

    That is with its cookie, by BROWSER_HOURS or by BROWSER_IDLE_MINUTES.
    """
    ends = [after(now, timedelta(seconds=session.get_expiry_age(modification=now)))]
    if hours := app_settings.BROWSER_HOURS:
        ends.append(after(opened, timedelta(hours=hours)))
    if minutes := app_settings.BROWSER_IDLE_MINUTES:
        ends.append(now + timedelta(minutes=minutes))
    return min(ends)


def last_use(user: AbstractBaseUser) -> datetime | None:
    """Return when the row of the user's session was last updated; None if it is over or missing.

    `is_over` has loaded it.
    """
    used: datetime | None = getattr(user, USED)
    return used


def has_news(*, session: SessionBase, user: AbstractBaseUser) -> bool:
    """Tell whether the row of a session that goes on should be written."""
    used = last_use(user)
    return used is None or ROW not in session or used < clock.now() - WRITTEN_EVERY


def _load_state(*, session: SessionBase, user: AbstractBaseUser) -> None:
    """Load the cutoff and the last use, unless `LoadsBrowserState` has."""
    if not hasattr(user, USED):
        users = get_user_model()._base_manager.filter(pk=user.pk)
        found = with_browser_state(users, session=session).values_list(CUTOFF, USED).first()
        for name, value in zip((CUTOFF, USED), found or (EPOCH, None), strict=True):
            setattr(user, name, value)


def is_cut_off(*, user: AbstractBaseUser, opened: datetime) -> bool:
    """Tell whether a cutoff of any kind has ended what ``user`` opened at an instant.

    Browser sessions and legacy tokens are such things: no row says that they ended.
    """
    if opened >= latest_cutoff(user):
        return False
    own = Cutoff.objects.filter(user=None) | Cutoff.objects.filter(user=user.pk)
    if own.filter(not_before__gt=opened).exists():
        return True
    browsers = BrowserCutoff.objects.filter(not_before__gt=opened)
    if browsers.filter(user=user.pk).exists():
        return True
    spared = browsers.filter(user=None).values_list("spared", flat=True)
    return any(str(user.pk) not in keys for keys in spared)


def latest_cutoff(user: AbstractBaseUser) -> datetime:
    """Return the latest cutoff that may be one of ``user``, or 1970.

    It needs a query unless `with_browser_cutoff` has loaded the user.
    """
    found = getattr(user, CUTOFF, None)
    if found is None:
        users = get_user_model()._base_manager.filter(pk=user.pk)
        found = with_browser_cutoff(users).values_list(CUTOFF, flat=True).first()
    return found or EPOCH


def with_browser_cutoff(users: "QuerySet[AbstractBaseUser]") -> "QuerySet[AbstractBaseUser]":
    """Load the latest cutoff with each user, also one that may have spared the user."""
    loaded: QuerySet[Any] = users.annotate(**{CUTOFF: LatestCutoff("pk")})
    return loaded


NOT_BEFORE = {
    vendor: readable_time("not_before", vendor=vendor) for vendor in ("postgresql", "sqlite")
}
LATEST = (
    "COALESCE((SELECT {not_before} FROM {table} WHERE user_id {whose} "
    "ORDER BY not_before DESC LIMIT 1), '1970-01-01 00:00:00')"
)


class LatestCutoff(Func):
    """Compute the latest cutoff for the user with a key, or 1970.

    The SQL is written by hand: Django would need a millisecond to build it, for each request.
    """

    output_field = DateTimeField()

    def as_sql(
        self, compiler: SQLCompiler, connection: "BaseDatabaseWrapper", *_: object, **__: object
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL, which contains the key twice, and its parameters."""
        (key,) = self.get_source_expressions()
        key_sql, params = compiler.compile(key)
        tables = [
            connection.ops.quote_name(model._meta.db_table) for model in (Cutoff, BrowserCutoff)
        ]
        latest = [
            LATEST.format(table=table, whose=whose, not_before=NOT_BEFORE[connection.vendor])
            for table in tables
            for whose in ("IS NULL", f"= {key_sql}")
        ]
        function = "GREATEST" if connection.vendor == "postgresql" else "MAX"
        return f"{function}({', '.join(latest)})", (*params, *params)


def with_browser_state(
    users: "QuerySet[AbstractBaseUser]", *, session: SessionBase
) -> "QuerySet[AbstractBaseUser]":
    """Load the latest cutoff, and the last use of ``session``, with each user."""
    row = Value(row_id(session), output_field=BrowserSession._meta.pk)
    loaded: QuerySet[Any] = with_browser_cutoff(users).annotate(**{USED: LastUse("pk", row)})
    return loaded


class LastUse(Func):
    """Compute when the user with a key last used the browser session with an id.

    It is NULL if the session is over. `tokens.listing.browsers.live` says the same with the ORM,
    which would need a millisecond for each request.
    """

    output_field = DateTimeField()

    def as_sql(
        self, compiler: SQLCompiler, connection: "BaseDatabaseWrapper", *_: object, **__: object
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the SQL and its parameters."""
        (key, key_params), (row, row_params) = map(compiler.compile, self.get_source_expressions())
        table = connection.ops.quote_name(BrowserSession._meta.db_table)
        used = readable_time("last_used_at", vendor=connection.vendor)
        sql = (
            f"SELECT {used} FROM {table} WHERE id = {row} AND user_id = {key}"  # noqa: S608
            f" AND revoked_at IS NULL AND ends_at > {clock.sql()}"
        )
        return f"({sql})", (*row_params, *key_params)


_loading: ContextVar[SessionBase | None] = ContextVar("tokens_browser_loading", default=None)


@contextmanager
def loading(session: SessionBase | None) -> Iterator[None]:
    """Let `LoadsBrowserState` load the user of ``session`` inside the block."""
    reset = _loading.set(session)
    try:
        yield
    finally:
        _loading.reset(reset)


class LoadsBrowserState:
    """Mix this into an authentication backend, so that `is_over` needs no query of its own."""

    def get_user(self, user_id: Any) -> Any:
        """Return the active user with this key, or None."""
        users: QuerySet[Any] = get_user_model()._default_manager.all()
        session = _loading.get()
        if session is not None and SESSION_KEY in session:
            users = with_browser_state(users, session=session)
        else:
            users = with_browser_cutoff(users)
        user = users.filter(pk=user_id).first()
        backend: Any = self
        return user if user is not None and backend.user_can_authenticate(user) else None


@lru_cache(maxsize=1)
def _installed_at() -> datetime:
    """Return when the table of `BrowserCutoff` was created."""
    migrations = MigrationRecorder.Migration.objects.filter(app="tokens")
    applied = migrations.filter(name__endswith="_browser_cutoff").values_list("applied", flat=True)
    return applied.first() or EPOCH
