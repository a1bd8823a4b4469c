"""Read what /metrics says about the database, in the background and for a bounded time.

A scrape waits for the figures for a moment, and works without them: the database may be away. Each
process reads them every few seconds at most, however often it is scraped.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import Error, connection, connections, transaction
from django.db.models import F, QuerySet, Sum
from prometheus_client.core import GaugeMetricFamily

from tokens.audit.delivery import webhook
from tokens.audit.trusted_seals import count_unsealed, newest_seal
from tokens.conf import app_settings
from tokens.db import clock
from tokens.listing.jobs import unfinished_jobs
from tokens.listing.stats import estimate_live_sessions
from tokens.models import Event, LoginThrottle
from tokens.models.readable import is_readable
from tokens.web.readiness import Watch, own_connection

# Seconds.
STATEMENT_LIMIT = 1
FRESH, PATIENCE, TRUSTED = 5.0, 2.0, 15.0
# Events are counted up to this many.
MOST_EVENTS = 10_000
JOBS = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """Declare one figure. ``read`` returns None if there is nothing to say."""

    name: str
    meaning: str
    read: Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold the figures that could be read, by name, and whether the database answers."""

    up: bool
    values: dict[str, float]


def collect() -> Iterator[GaugeMetricFamily]:
    """Yield whether the database answers, and each figure that is known."""
    reading = database.state()
    yield GaugeMetricFamily("portal_database_up", "The database answers.", value=reading.up)
    for figure in FIGURES:
        if (value := reading.values.get(figure.name)) is not None:
            yield GaugeMetricFamily(figure.name, figure.meaning, value=value)


def read_all() -> Reading:
    """Read the figures, on a connection that no request needs. Raises `Error`."""
    # It is this thread's connection, and what is called below uses it.
    connections["default"] = own_connection()
    values: dict[str, float] = {}
    with closing(connections["default"]):
        clock.ask()
        connection.ensure_connection()
        for figure in FIGURES:
            # A figure that takes too long is left out, and the others are read.
            with suppress(Error):
                value = _within_limit(figure.read)
                if value is not None:
                    values[figure.name] = float(value)
    return Reading(up=True, values=values)


def _within_limit(read: Callable[[], float | None]) -> float | None:
    if connection.vendor != "postgresql":
        return read()
    with transaction.atomic(), connection.cursor() as cursor:
        # A pooler keeps nothing that is set for longer than a transaction.
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT}s'")
        return read()


# --- The figures.


def _age(at: datetime | None) -> float:
    """Return the seconds since ``at``; 0 for an instant that is not stored, or still to come."""
    if at is None or not is_readable(at):
        return 0
    return max(0.0, (clock.now() - at).total_seconds())


def _seal_age() -> float | None:
    seal = newest_seal()
    return _age(seal.sealed_at) if seal is not None else None


def _unsealed_events() -> float:
    return count_unsealed(after=newest_seal(), most=MOST_EVENTS)


def _purge_age() -> float:
    # Each login leaves a counter, which is out of date after some minutes.
    oldest = LoginThrottle.objects.order_by("resets_at").values_list(F("resets_at"), flat=True)
    return _age(oldest.first())


def _undelivered() -> "QuerySet[Event] | None":
    reached = webhook.position() if app_settings.WEBHOOK_URL else None
    return None if reached is None else Event.objects.filter(pk__gt=reached).order_by("pk")


def _webhook_lag() -> float | None:
    events = _undelivered()
    return None if events is None else _age(events.values_list(F("at"), flat=True).first())


def _undelivered_events() -> float | None:
    events = _undelivered()
    return None if events is None else events[:MOST_EVENTS].count()


def _jobs() -> float:
    return unfinished_jobs()[:JOBS].count()


def _sessions_of_jobs() -> float:
    oldest = unfinished_jobs()[:JOBS]
    sums = oldest.aggregate(expected=Sum("expected"), ended=Sum("sessions"))
    return max(0, (sums["expected"] or 0) - (sums["ended"] or 0))


def _job_idle() -> float:
    times = unfinished_jobs().values_list(F("worked_at"), F("created_at"))[:JOBS]
    return max((_age(worked or created) for worked, created in times), default=0)


FIGURES = (
    Figure("portal_live_sessions", "Live sessions, an estimate.", estimate_live_sessions),
    Figure("portal_seal_age_seconds", "Time since the newest seal.", _seal_age),
    Figure("portal_unsealed_events", "Events without a seal, up to 10,000.", _unsealed_events),
    Figure(
        "portal_purge_age_seconds",
        "How long the oldest row that purge_tokens deletes has been out of date.",
        _purge_age,
    ),
    Figure(
        "portal_webhook_lag_seconds",
        "Age of the oldest event that the webhook has not received.",
        _webhook_lag,
    ),
    Figure(
        "portal_webhook_undelivered_events",
        "Events that the webhook has not received, up to 10,000.",
        _undelivered_events,
    ),
    Figure("portal_jobs_unfinished", "Revocation jobs that have not ended.", _jobs),
    Figure(
        "portal_jobs_sessions_left",
        "Sessions that unfinished revocation jobs have still to end.",
        _sessions_of_jobs,
    ),
    Figure(
        "portal_job_idle_seconds",
        "Longest time since the last batch of an unfinished revocation job.",
        _job_idle,
    ),
)

database = Watch(
    read_all,
    away=Reading(up=False, values={}),
    fresh=FRESH,
    patience=PATIENCE,
    trusted=TRUSTED,
)
