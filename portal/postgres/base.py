"""Make Django's PostgreSQL backend check pooled and kept connections cheaply.

A bearer call sends one query. A second query that only checks the connection would double its cost.
"""

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql import base
from psycopg import IsolationLevel, OperationalError
from psycopg_pool import PoolTimeout

from portal.postgres.connection import Connection

# Seconds after which a request looks whether the pool has given up.
STEP_SECONDS = 0.5
# A request that gets a connection sooner has not waited for one.
WAIT_SECONDS = 0.001


@dataclass(slots=True)
class Waits:
    """Count how often and how long requests waited for a connection, and how many got none."""

    number: int = 0
    seconds: float = 0.0
    timeouts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, seconds: float, *, timed_out: bool = False) -> None:
        with self._lock:
            self.number += 1
            self.seconds += seconds
            self.timeouts += timed_out

    def take(self) -> "Waits":
        """Return what was counted, and begin at zero again."""
        with self._lock:
            taken = replace(self)
            self.number, self.seconds, self.timeouts = 0, 0.0, 0
        return taken


waits = Waits()


class DatabaseWrapper(base.DatabaseWrapper):
    # True from the pool's last failed attempt to connect until it has a connection again.
    _away = False

    @property
    def pool(self) -> Any:
        if options := self.settings_dict["OPTIONS"].get("pool"):
            options |= {"connection_class": Connection, "reconnect_failed": _note_away}
        return super().pool

    def is_usable(self) -> bool:
        """Return True if the thread's connection can still be used.

        With CONN_HEALTH_CHECKS, Django calls this before the first query of each request.
        """
        return self.connection is not None and _usable(self.connection)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, or one from the pool that can still be used.

        The pool replaces closed connections.
        """
        self.isolation_level = IsolationLevel.READ_COMMITTED
        if self.pool is None:
            return Connection.connect(**conn_params)
        self.pool.open()
        connection = self._from_pool()
        while not _usable(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = self._from_pool()
        return connection

    def _from_pool(self) -> Any:
        """Wait for a connection as long as the pool allows, but not for a database that is away."""
        began = time.monotonic()
        until = began + self.pool.timeout
        while True:
            try:
                connection = self.pool.getconn(timeout=STEP_SECONDS)
            except PoolTimeout:
                now = time.monotonic()
                if DatabaseWrapper._away or now >= until:
                    waits.add(now - began, timed_out=True)
                    raise
            else:
                DatabaseWrapper._away = False
                if (waited := time.monotonic() - began) >= WAIT_SECONDS:
                    waits.add(waited)
                return connection

    def close_if_health_check_failed(self) -> None:
        """Check the connection before the first query of a request.

        Django leaves this to the pool, but the pool does not check a connection that the thread
        kept since its last request.
        """
        BaseDatabaseWrapper.close_if_health_check_failed(self)

    def close_if_unusable_or_obsolete(self) -> None:
        """Decide after each request whether the thread keeps its connection.

        If the pool has a connection for every thread of the server (``POOL_SERVES_ALL``), no other
        thread waits for it: the thread keeps it, and checks it before its next request.
        """
        spare = self.settings_dict.get("POOL_SERVES_ALL") and not self.errors_occurred
        if spare and self.connection is not None and self.get_autocommit():
            self.health_check_enabled, self.health_check_done = True, False
        else:
            super().close_if_unusable_or_obsolete()


def _note_away(pool: Any) -> None:
    DatabaseWrapper._away = True


def _usable(connection: Connection) -> bool:
    """Return False if the server has closed the connection, or was read-only when it opened.

    An idle server sends nothing unless it closes the connection: then a message and the end of the
    stream are waiting, in this order. libpq reads both without blocking, in microseconds. A query,
    as Django and the pool send it, takes as long as the query of a bearer call. The GIL is not
    released either, as it would be for `select`.
    """
    if connection.closed or connection.is_outdated():
        return False
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except OperationalError:
        return False
    return True
