"""Limit how many passwords a process hashes at once, so that logins leave threads to other calls.

A hash takes a core for tens of milliseconds. `LOGIN_HASHES` of them run at once, and
`LOGIN_WAITING` logins wait for their turn; the others get a 503. Logins from an address that the
account has logged in from before go first, and the last place is kept for them: a flood that
changes names and addresses does not keep them out.
"""

import bisect
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tokens.conf import app_settings
from tokens.counted import BUSY, login_stopped

# A login waits for at most so many seconds. Its client has not given up by then.
WAIT_SECONDS = 5.0
RETRY_AFTER_SECONDS = 1


class LoginBusy(Exception):
    """Raised if too many logins wait already. The attempt was not counted.

    ``retry_after`` is in whole seconds.
    """

    def __init__(self) -> None:
        super().__init__("Too many logins at once")
        self.retry_after = RETRY_AFTER_SECONDS


class HashingLane:
    """Hand out the turns of one process. A ticket sorts known addresses first, then by arrival."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._hashing = 0
        self._queue: list[tuple[bool, int]] = []

    @property
    def hashing(self) -> int:
        """Return how many turns are held."""
        return self._hashing

    @property
    def waiting(self) -> int:
        """Return how many logins wait for a turn."""
        return len(self._queue)

    @contextmanager
    def turn(self, *, known: Callable[[], bool]) -> Iterator[None]:
        """Wait for a turn and hold it during the block. Raises `LoginBusy`.

        ``known`` tells whether the account has logged in from this address before. It's called only
        if no turn is free.
        """
        try:
            if not self._take_free_turn():
                self._wait_for_turn(is_known=known())
        except LoginBusy:
            login_stopped.send_robust(sender=None, outcome=BUSY)
            raise
        try:
            yield
        finally:
            with self._changed:
                self._hashing -= 1
                self._changed.notify_all()

    def _take_free_turn(self) -> bool:
        with self._changed:
            if self._queue or self._hashing >= app_settings.LOGIN_HASHES:
                if len(self._queue) >= app_settings.LOGIN_WAITING:
                    raise LoginBusy
                return False
            self._hashing += 1
            return True

    def _wait_for_turn(self, *, is_known: bool) -> None:
        places = app_settings.LOGIN_WAITING - (not is_known)
        ticket = (not is_known, next(self._numbers))
        deadline = time.monotonic() + WAIT_SECONDS
        with self._changed:
            if len(self._queue) >= places:
                raise LoginBusy
            bisect.insort(self._queue, ticket)
            try:
                while self._queue[0] != ticket or self._hashing >= app_settings.LOGIN_HASHES:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise LoginBusy
                    self._changed.wait(left)
                self._hashing += 1
            finally:
                self._queue.remove(ticket)
                # The next in the queue may have a turn too.
                self._changed.notify_all()


lane = HashingLane()
