"""Announce that the server is about to stop, while it still answers.

gunicorn closes its sockets as soon as it is told to stop. Load balancers that ask `/readyz` need a
few seconds before that, to send the next requests to another host. For those that don't, the
workers take the connections that wait, and have further ones refused: a proxy then repeats the
request at another host.
"""

import mmap
import time
from typing import Any, NoReturn

# Bytes that the arbiter shares with the workers that it forks.
_flags = mmap.mmap(-1, 2)
DRAINING, CLOSING = range(2)


def is_draining() -> bool:
    return _flags[DRAINING] != 0


def is_closing() -> bool:
    """Return whether nothing accepts connections at the server's sockets after its workers."""
    return _flags[CLOSING] != 0


def drain_before_stop(arbiter: Any, seconds: int) -> None:
    """Let SIGTERM drain the server for some seconds before gunicorn stops it."""

    def handle_term() -> NoReturn:
        _flags[DRAINING] = 1
        time.sleep(seconds)
        # systemd keeps its sockets, and a server that took over or is replaced (USR2) shares them.
        if not (arbiter.systemd or arbiter.reexec_pid or arbiter.master_pid):
            _flags[CLOSING] = 1
        # This is how gunicorn's own handler asks for a graceful stop.
        raise StopIteration

    arbiter.handle_term = handle_term
