"""Tell the time by the database's clock.

The clocks of several hosts differ, but all hosts share one database. So every instant that is
stored, or compared with a stored one or with a claim of a token, comes from here.

A statement that runs anyway brings the time along: it selects `column`, and `read` takes the value.
Between two of them, `now` adds the time that has passed on the host, which no change of the host's
clock affects. An act whose order matters, such as a cutoff, asks with `ask`.

SQLite has no clock of its own: it runs on one host, whose clock is the database's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from django.db import connection
from django.utils import timezone

# Two clocks that are never set drift apart by a few milliseconds in this time.
LONGEST_SECONDS = 60


class _Reading(threading.local):
    """Hold the last instant that this thread has received, and when it did."""

    at: datetime | None = None
    received = 0.0


class _Source:
    """Tell which clock counts."""

    follows_host = False


_reading = _Reading()
_source = _Source()


def column() -> str:
    """Return the SQL of the column that brings the time along.

    PostgreSQL computes it for each row. In a SELECT around a subquery that locks rows, that is
    after the locks were granted.
    """
    return "clock_timestamp()" if connection.vendor == "postgresql" else "NULL"


def sql(*, plus: timedelta = timedelta(0)) -> str:
    """Return the SQL of the time, or of an instant that much later, for comparisons."""
    if connection.vendor == "postgresql" and not _source.follows_host:
        return f"(clock_timestamp() + interval '{plus.total_seconds()} seconds')"
    at = connection.ops.adapt_datetimefield_value(timezone.now() + plus)
    return f"'{at}'" if connection.vendor != "postgresql" else f"timestamptz '{at}'"


def now_and(*, plus: timedelta) -> str:
    """Return a SELECT of the time and of the instant that much later, from one reading.

    PostgreSQL runs it once if it is a common table expression, however often that is named.
    """
    if connection.vendor != "postgresql" or _source.follows_host:
        return f"SELECT {sql()}, {sql(plus=plus)}"
    later = f"at + interval '{plus.total_seconds()} seconds'"
    return f"SELECT at, {later} FROM (SELECT clock_timestamp()) AS reading (at)"  # noqa: S608


def read(value: datetime | None) -> datetime:
    """Return the time from the value of `column`."""
    if value is None or _source.follows_host:
        return timezone.now()
    _reading.at, _reading.received = value, monotonic()
    return value


def ask() -> datetime:
    """Return the time, with a statement of its own on PostgreSQL."""
    if connection.vendor != "postgresql" or _source.follows_host:
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column()}")
        return read(cursor.fetchone()[0])


def known() -> datetime | None:
    """Return the time without a statement; None if the last reading is too old.

    It is behind the database's clock by as long as the last reading took to arrive, and never
    ahead of it.
    """
    if connection.vendor != "postgresql" or _source.follows_host:
        return timezone.now()
    passed = monotonic() - _reading.received
    if _reading.at is None or passed > LONGEST_SECONDS:
        return None
    return _reading.at + timedelta(seconds=passed)


def now() -> datetime:
    """Return the time, with a statement only if the last reading is too old."""
    return known() or ask()


@contextmanager
def following_host() -> Iterator[None]:
    """Take the time from the host's clock, which the caller moves to write an invented history."""
    before, _source.follows_host = _source.follows_host, True
    try:
        yield
    finally:
        _source.follows_host = before
