"""Check in the background whether the portal can serve, for probes that must not wait.

A check may hang for as long as the database does. A probe waits for it for a moment, and then gets
the last result or, if that is too old, "away".
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache as memoized
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar
from uuid import uuid4

from django.apps import apps
from django.core.cache import cache
from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from tokens.db.unfinished_move import is_unfinished

OK, AWAY, UNWRITABLE, NOT_MIGRATED = "ok", "away", "not writable", "not migrated"
MOVING = "not moved yet"
# Seconds. Probes share the result of a check for a moment, which bounds what a flood of them costs.
FRESH = 0.25
PATIENCE = 0.5
TRUSTED = 3.0
logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class Watch(Generic[Result]):
    """Run a check in a thread of its own, when a probe asks for its result.

    ``away`` is the result of a check that fails, or has not ended for ``trusted`` seconds. A result
    is used again for ``fresh`` seconds.
    """

    def __init__(
        self,
        check: Callable[[], Result],
        *,
        away: Result,
        fresh: float = FRESH,
        patience: float = PATIENCE,
        trusted: float = TRUSTED,
    ) -> None:
        self._check, self._away = check, away
        self._fresh, self._patience, self._trusted = fresh, patience, trusted
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running = False
        self._began = self._ended = float("-inf")
        self._state = away

    def state(self) -> Result:
        """Return the result within ``patience`` seconds, however long the check takes."""
        with self._changed:
            now = time.monotonic()
            if not self._running and now - self._ended >= self._fresh:
                self._running, self._began = True, now
                self._start_or_wake()
            # All probes wait for the same instant: one after the other would take longer.
            until = self._began + self._patience
            self._changed.wait_for(lambda: not self._running, timeout=until - now)
            return self._state if time.monotonic() - self._ended < self._trusted else self._away

    def _start_or_wake(self) -> None:
        if self._thread is None:
            # A daemon: a check that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
            try:
                state = self._check()
            except Exception as error:  # noqa: BLE001  (the next probe must find the thread alive)
                logger.error("readiness: %s", type(error).__name__)
                state = self._away
            with self._changed:
                self._state, self._running, self._ended = state, False, time.monotonic()
                self._changed.notify_all()


class DatabaseCheck:
    """Write to the database, on a connection that no request needs.

    A connection of the pool would have to be waited for while the requests hold all of them.
    """

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None

    def __call__(self) -> str:
        kept = self._connection is not None
        state = self._state()
        if state != OK:
            # The connection may be dead, or have begun while the server was read-only.
            self.close()
            if kept:
                state = self._state()
        return state

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _state(self) -> str:
        try:
            if self._connection is None:
                self._connection = own_connection()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT app, name FROM django_migrations")
                if not _migrations().issubset(cursor.fetchall()):
                    return NOT_MIGRATED
            if is_unfinished(self._connection):
                return MOVING
        except Error:
            return AWAY
        try:
            _write(self._connection)
        except Error as error:
            # Another writer has SQLite's only write lock, so writes work.
            return OK if "database is locked" in str(error) else UNWRITABLE
        return OK


def own_connection() -> BaseDatabaseWrapper:
    """Return a connection that is not one of the pool's, for a thread that serves no request."""
    copy = connection.copy()
    options = copy.settings_dict["OPTIONS"]
    options.pop("pool", None)
    if copy.vendor == "sqlite":
        options["timeout"] = PATIENCE / 2
    copy.inc_thread_sharing()
    return copy


def _write(to: BaseDatabaseWrapper) -> None:
    """Insert and delete a row, and commit. Logins write to the same table, so the role may."""
    key = f"readiness-{uuid4()}"
    with to.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE" if to.vendor == "sqlite" else "BEGIN")
        cursor.execute(
            "INSERT INTO tokens_loginthrottle (key, attempts, resets_at) "
            "VALUES (%s, 0, CURRENT_TIMESTAMP)",
            [key],
        )
        cursor.execute("DELETE FROM tokens_loginthrottle WHERE key = %s", [key])
        cursor.execute("COMMIT")


@memoized
def _migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of the installed code, without importing them."""
    return frozenset(_listed_migrations())


def _listed_migrations() -> Iterator[tuple[str, str]]:
    for app in apps.get_app_configs():
        name, _explicit = MigrationLoader.migrations_module(app.label)
        try:
            package = import_module(name) if name else None
        except ModuleNotFoundError:
            continue
        for module in iter_modules(getattr(package, "__path__", ())):
            if not module.ispkg and module.name[0] not in "_~":
                yield app.label, module.name


def _cache_state() -> str:
    cache.get("tokens:ready")
    return OK


check_database = DatabaseCheck()
database, cache_service = Watch(check_database, away=AWAY), Watch(_cache_state, away=AWAY)
