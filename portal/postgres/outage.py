"""Keep the log of a database outage short."""

import logging
import time

QUIET_SECONDS = 30.0


class OneLineAnOutage(logging.Filter):
    """Pass each kind of message of the connection pool once in a while, in one line."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = str(record.msg), time.monotonic()
        # It follows a line that says why.
        if kind.startswith("reconnection attempt"):
            return False
        if now - self._passed.get(kind, float("-inf")) < QUIET_SECONDS:
            return False
        self._passed[kind] = now
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True
