"""Move the time: the host's clock, and the database's with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import time_machine

from tokens.db.clock import following_host


@contextmanager
def travel(to: datetime, *, tick: bool = True) -> Iterator[time_machine.Traveller]:
    """Let everything inside the block happen at an instant, and let time pass from there."""
    with time_machine.travel(to, tick=tick) as traveller, following_host():
        yield traveller
