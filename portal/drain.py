"""Announce that the server is about to stop, while it still answers.

gunicorn closes its sockets as soon as it is told to stop. Load balancers that ask `/readyz` need a
few seconds before that, to send the next requests to another host.
"""

import mmap
import time
from typing import Any, NoReturn

# One byte that the arbiter shares with the workers that it forks.
_flag = mmap.mmap(-1, 1)


def is_draining() -> bool:
    return _flag[0] != 0


def drain_before_stop(arbiter: Any, seconds: int) -> None:
    """Let SIGTERM drain the server for some seconds before gunicorn stops it."""

    def handle_term() -> NoReturn:
        _flag[0] = 1
        time.sleep(seconds)
        # This is how gunicorn's own handler asks for a graceful stop.
        raise StopIteration

    arbiter.handle_term = handle_term
