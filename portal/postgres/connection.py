"""Give every wait for PostgreSQL an end, and drop outdated connections.

PostgreSQL's own timeouts don't bound a commit that waits for a standby, nor an answer that a frozen
server never sends. A pooler may not pass them on.
"""

import time
from functools import partial
from typing import Any, ClassVar, Self

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from portal.postgres.hosts import hosts_of, silent_hosts

# How often at most all connections are replaced because one of them could not write.
RENEWAL_SECONDS = 1.0
CANCEL_SECONDS = 1.0


class NoAnswer(psycopg.OperationalError):
    """Raised if the server has not answered in time. The connection is closed."""

    outcome_unknown = False


class Connection(psycopg.Connection[Any]):
    """Wait for an answer of the server for ``limit`` seconds at most; None means without an end.

    An error that leaves it unknown whether a change was made has a true ``outcome_unknown``.
    """

    limit: ClassVar[float | None] = None
    _outdated_before: ClassVar[float] = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._born = time.monotonic()
        self._commits = False

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Self:
        """Connect to the first host that accepts it, and leave out those that do not answer."""
        hosts = hosts_of(options)
        if len(hosts) == 1:
            return super().connect(conninfo, **options)
        failures = []
        for host in hosts:
            if host not in silent_hosts:
                options |= {"host": host.name, "port": host.port}
                connect = partial(super().connect, conninfo, **options)
                try:
                    return silent_hosts.try_host(host, connect)  # type: ignore[no-any-return]
                except psycopg.OperationalError as error:
                    failures.append(f"{host.name}:{host.port}: {error}")
        raise psycopg.OperationalError("; ".join(failures) or "none of the hosts answers")

    def is_outdated(self) -> bool:
        """Return whether a later connection may be able to write although this one could not."""
        return self._born < Connection._outdated_before

    def commit(self) -> None:
        self._commits = True
        try:
            super().commit()
        finally:
            self._commits = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:
            # psycopg's own code waits so, and handles the end of the wait itself.
            return super().wait(gen, interval, timeout)
        alone = self._commits or self.pgconn.transaction_status == TransactionStatus.IDLE
        try:
            return super().wait(gen, interval, self.limit)
        except errors._WaitTimeout:
            self._give_up()
            error = NoAnswer(f"the server has not answered for {self.limit} seconds")
            self._mark(error, alone)
            raise error from None
        except errors.ReadOnlySqlTransaction:
            self._outdate()
            raise
        except psycopg.OperationalError as error:
            self._mark(error, alone)
            raise

    def _give_up(self) -> None:
        """Ask the server to stop, and close the connection, whose answer may still arrive."""
        self._try_cancel(timeout=CANCEL_SECONDS)
        self.pgconn.finish()

    def _mark(self, error: psycopg.OperationalError, alone: bool) -> None:
        """Note on an error whether a commit, or a statement that commits by itself, was lost.

        With an SQLSTATE, the server itself reports that it undid the statement.
        """
        error.outcome_unknown = alone and self.closed and error.sqlstate is None  # type: ignore[attr-defined]

    def _outdate(self) -> None:
        now = time.monotonic()
        if now - Connection._outdated_before >= RENEWAL_SECONDS:
            Connection._outdated_before = now
