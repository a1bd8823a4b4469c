"""Declare and set what /metrics says about a worker: its threads, and its database connections.

A scrape is answered by one worker, so each one sets its gauges every second, for any to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection
from prometheus_client import Counter, Gauge

from tokens.web import series

THREADS = Gauge("portal_threads", "Threads for requests.", ("group",), multiprocess_mode="livesum")
BUSY = Gauge(
    "portal_threads_busy", "Threads that handle a request.", ("group",), multiprocess_mode="livesum"
)
QUEUED = Gauge(
    "portal_requests_queued",
    "Requests that wait for a thread.",
    ("group",),
    multiprocess_mode="livesum",
)
CONNECTIONS = Gauge(
    "portal_pool_connections",
    "Database connections of the pools.",
    ("state",),
    multiprocess_mode="livesum",
)
POOL_WAITS = Counter("portal_pool_waits", "Requests that waited for a database connection.")
POOL_WAIT_SECONDS = Counter("portal_pool_wait_seconds", "Time that they waited.")
POOL_TIMEOUTS = Counter("portal_pool_timeouts", "Requests that got no database connection.")


@dataclass(slots=True)
class Group:
    """Count the requests that some of a worker's threads have taken and not finished."""

    threads: int
    requests: int = 0


def sample(groups: Mapping[str, Group]) -> None:
    """Set the gauges of this worker."""
    series.sample()
    for name, group in groups.items():
        busy = min(group.requests, group.threads)
        THREADS.labels(name).set(group.threads)
        BUSY.labels(name).set(busy)
        QUEUED.labels(name).set(group.requests - busy)
    if connection.vendor == "postgresql":
        _sample_pool()


def _sample_pool() -> None:
    from portal.postgres.base import waits

    spent = waits.take()
    POOL_WAITS.inc(spent.number)
    POOL_WAIT_SECONDS.inc(spent.seconds)
    POOL_TIMEOUTS.inc(spent.timeouts)
    if (pool := connection.pool) is not None:  # type: ignore[attr-defined]
        known = pool.get_stats()
        idle = known["pool_available"]
        CONNECTIONS.labels("idle").set(idle)
        CONNECTIONS.labels("used").set(known["pool_size"] - idle)
