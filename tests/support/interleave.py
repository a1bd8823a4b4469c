"""Forced interleavings: one act is held just before a statement while another one runs."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from django.db import connection

# Long enough for an act that is not blocked to be over, on a busy machine too.
PATIENCE = 0.4


class Act(Thread):
    """``act`` in a thread and on a connection of its own. ``result`` is what it returned or
    raised. With ``hold``, it waits before its first statement that starts so, until `go`;
    ``held`` says whether there was one."""

    def __init__(self, act: Callable[[], Any], hold: str = "") -> None:
        super().__init__(daemon=True)
        self.act, self.hold = act, hold
        self.reached, self.go, self.result, self.held = Event(), Event(), None, False
        self.start()

    def run(self) -> None:
        try:
            with connection.execute_wrapper(self._wait):
                self.result = self.act()
        except Exception as error:  # noqa: BLE001  (what it raised is what a test asks for)
            self.result = error
        finally:
            self.reached.set()
            connection.close()

    def _wait(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.hold and sql.lstrip().startswith(self.hold) and not self.reached.is_set():
            self.held = True
            self.reached.set()
            self.go.wait(30)
        return execute(sql, params, many, context)


def held(first: Callable[[], Any], second: Callable[[], Any], *, at: str) -> tuple[Any, Any]:
    """Hold ``first`` before the statement that starts with ``at``, let ``second`` run as far as
    it gets, and then both to their end. Gives both results."""
    one = Act(first, hold=at)
    assert one.reached.wait(30)
    assert one.held, f"no statement starts with {at}: {one.result!r}"
    two = Act(second)
    until = time.monotonic() + PATIENCE
    while two.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    one.go.set()
    one.join(60)
    two.join(60)
    assert not one.is_alive()
    assert not two.is_alive()
    return one.result, two.result
