"""Django's PostgreSQL backend, made to take a pooled or kept connection at hardly any cost: each
bearer call takes one, and asks it one question."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql import base
from psycopg import OperationalError


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the connection that the thread holds can still be used (CONN_HEALTH_CHECKS
        asks before the first query of each request)."""
        return self.connection is not None and _usable(self.connection)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new connection, or one of the pool's that can still be used. The pool replaces the
        others; how long it may take with that is its own ``timeout``."""
        connection = super().get_new_connection(conn_params)
        while self.pool and not _usable(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = self.pool.getconn()
        return connection

    def close_if_health_check_failed(self) -> None:
        """Before the first query of a request. Django trusts a pool to have looked; what the
        thread has kept since its last request, nobody has looked at."""
        BaseDatabaseWrapper.close_if_health_check_failed(self)

    def close_if_unusable_or_obsolete(self) -> None:
        """After each request. Where the pool has a connection for every thread of the server
        (``POOL_SERVES_ALL``) there is nobody to give this one back for: the thread keeps it, and
        has a look at it before its next request."""
        spare = self.settings_dict.get("POOL_SERVES_ALL") and not self.errors_occurred
        if spare and self.connection is not None and self.get_autocommit():
            self.health_check_enabled, self.health_check_done = True, False
        else:
            super().close_if_unusable_or_obsolete()


def _usable(connection: Any) -> bool:
    """An idle server says nothing, except that it is closing: a restart, an administrator's
    command or a timeout all leave its last words and the end of the connection to read, in this
    order. libpq reads what is there without waiting, which takes microseconds; asking the server,
    as Django and the pool do, takes as long as a bearer call's one query. Nor does the
    interpreter go to another thread meanwhile, as it would for `select`."""
    if connection.closed:
        return False
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except OperationalError:
        return False
    return True
