"""Django's PostgreSQL backend, made to take a kept or pooled connection at hardly any cost: each
bearer call takes one, and asks it one question."""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the kept connection can still be used (CONN_HEALTH_CHECKS asks before the
        first query of each request)."""
        return self.connection is not None and _usable(self.connection)

    def get_connection_params(self) -> dict[str, Any]:
        # A pool that stands has been told; Django would put them together for each request.
        return {} if self.alias in self._connection_pools else super().get_connection_params()

    def _set_autocommit(self, autocommit: bool) -> None:
        if self.connection.autocommit is not autocommit:
            super()._set_autocommit(autocommit)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new connection, or one of the pool's that can still be used. The pool replaces the
        others; how long it may take with that is its own ``timeout``."""
        connection = super().get_new_connection(conn_params)
        while self.pool and not _usable(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = self.pool.getconn()
        return connection


def _usable(connection: Any) -> bool:
    """An idle server says nothing, except that it is closing: a restart, an administrator's
    command or a timeout all leave something to read. Asking the kernel takes microseconds;
    asking the server, as Django and the pool do, takes as long as a bearer call's one query."""
    if connection.closed:
        return False
    kernel = select.poll()
    kernel.register(connection.fileno(), select.POLLIN)
    return not kernel.poll(0)
