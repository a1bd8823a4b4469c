"""Django's PostgreSQL backend with a look at a kept connection that costs no round trip."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the kept connection can still be used (CONN_HEALTH_CHECKS asks before the
        first query of each request).

        An idle server says nothing, except that it is closing: a restart, an administrator's
        command or a timeout all leave something to read. Asking the kernel takes microseconds;
        asking the server, as Django does, takes as long as a bearer call's one query.
        """
        if self.connection is None or self.connection.closed:
            return False
        kernel = select.poll()
        kernel.register(self.connection.fileno(), select.POLLIN)
        return not kernel.poll(0)
