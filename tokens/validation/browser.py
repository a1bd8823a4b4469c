"""Decide whether a browser session, that is a cookie session of Django, goes on.

Each browser session holds the instant at which it was opened. It is over as soon as a cutoff for
its user is later. `tokens.web.middleware` asks for each request that has a user.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import DateTimeField, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from tokens.conf import app_settings
from tokens.db import clock
from tokens.models import BrowserCutoff, Cutoff
from tokens.models.readable import readable_time
from tokens.validation.token_context import EPOCH

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

OPENED, PROVED_UNTIL = "tokens_opened", "tokens_proved_until"
# The attribute of a user that `with_browser_cutoff` loads.
CUTOFF = "tokens_browser_cutoff"


def belongs_to(session: SessionBase | None, user: AbstractBaseUser) -> bool:
    """Tell whether ``user`` is logged in with ``session``, and not by a token or a header."""
    key = session.get(SESSION_KEY) if session is not None else None
    return key is not None and key == user._meta.pk.value_to_string(user)


def mark_opened(session: SessionBase, *, at: datetime) -> None:
    """Let the session count as opened ``at`` this instant."""
    session[OPENED] = at.isoformat()


def opened_at(session: SessionBase | Mapping[str, Any]) -> datetime:
    """Return when the session, or the one with this content, was opened.

    A session that is older than the app's check, or that was opened without Django's login signal,
    counts as opened when the check was installed: cutoffs that were set since then end it.
    """
    opened = session.get(OPENED)
    return datetime.fromisoformat(opened) if opened else _installed_at()


def mark_proved(session: SessionBase, *, at: datetime) -> None:
    """Note that the session's user proved ``at`` this instant who they are."""
    session[PROVED_UNTIL] = (at + timedelta(minutes=app_settings.STEP_UP_MINUTES)).isoformat()


def has_fresh_proof(session: SessionBase) -> bool:
    """Tell whether the session's user proved lately who they are, or is never asked to."""
    until = session.get(PROVED_UNTIL)
    fresh = until is not None and clock.now() < datetime.fromisoformat(until)
    return fresh or not app_settings.STEP_UP_MINUTES


def is_over(*, session: SessionBase, user: AbstractBaseUser) -> bool:
    """Tell whether a cutoff has ended a browser session of ``user``."""
    return is_cut_off(user=user, opened=opened_at(session))


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


class LoadsBrowserCutoff:
    """Mix this into an authentication backend, so that `is_over` needs no query of its own."""

    def get_user(self, user_id: Any) -> Any:
        """Return the active user with this key, or None."""
        users = with_browser_cutoff(get_user_model()._default_manager.all())
        user = users.filter(pk=user_id).first()
        backend: Any = self
        return user if user is not None and backend.user_can_authenticate(user) else None


@lru_cache(maxsize=1)
def _installed_at() -> datetime:
    """Return when the table of `BrowserCutoff` was created."""
    migrations = MigrationRecorder.Migration.objects.filter(app="tokens")
    applied = migrations.filter(name__endswith="_browser_cutoff").values_list("applied", flat=True)
    return applied.first() or EPOCH
