"""Force an interleaving: hold one act before a statement while another act runs or is blocked."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from django.db import connection

# An act is over or blocked long before, on a busy machine too.
PATIENCE = 20
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE")


class Act(Thread):
    """Run ``act`` in a thread with a connection of its own.

    ``result`` is what it returned or raised. With ``hold``, it waits before its first statement
    that starts with one of these texts, until `go`; ``held`` is True if there was one.
    """

    def __init__(self, act: Callable[[], Any], hold: str | tuple[str, ...] = "") -> None:
        super().__init__(daemon=True)
        self.act, self.hold = act, hold
        self.reached, self.go, self.result, self.held = Event(), Event(), None, False
        self.in_transaction, self.statement, self.pid = False, "", 0
        self.start()

    def run(self) -> None:
        try:
            if connection.vendor == "postgresql":
                connection.ensure_connection()
                self.pid = connection.connection.info.backend_pid
            with connection.execute_wrapper(self._wait):
                self.result = self.act()
        except Exception as error:  # noqa: BLE001  (what it raised is what a test asks for)
            self.result = error
        finally:
            self.reached.set()
            connection.close()

    def _wait(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.hold and sql.lstrip().startswith(self.hold) and not self.reached.is_set():
            self.held, self.in_transaction = True, connection.in_atomic_block
            self.reached.set()
            self.go.wait(30)
        self.statement = sql.lstrip()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statement = ""


def held(
    first: Callable[[], Any], second: Callable[[], Any], *, at: str | tuple[str, ...]
) -> tuple[Any, Any]:
    """Hold ``first`` at a statement while ``second`` runs.

    ``first`` waits before the statement that starts with ``at``, until ``second`` is over or waits
    for a lock. Both then finish, and their results are returned.
    """
    one = Act(first, hold=at)
    assert one.reached.wait(30)
    assert one.held, f"no statement starts with {at}: {one.result!r}"
    two = Act(second)
    until = time.monotonic() + PATIENCE
    while two.is_alive() and not _is_blocked(two, by=one) and time.monotonic() < until:
        time.sleep(0.005)
    one.go.set()
    one.join(60)
    two.join(60)
    assert not one.is_alive()
    assert not two.is_alive()
    return one.result, two.result


def _is_blocked(act: Act, *, by: Act) -> bool:
    """Return whether ``act`` waits for a lock, which ``by`` holds at its statement."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [act.pid])
            return bool(cursor.fetchone()[0])
    # A transaction takes SQLite's only write lock when it begins.
    return by.in_transaction and act.statement.startswith(WRITES)
