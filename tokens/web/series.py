"""Declare what the app counts for Prometheus, each series once.

Nothing that a client can choose freely becomes a label. `tokens.web.figures` declares the series
that are read from the database.
"""

from prometheus_client import Counter, Gauge, Histogram

from tokens.accounts.lane import lane
from tokens.counted import (
    BUSY,
    FACTOR_NEEDED,
    LOCKED,
    event_committed,
    login_stopped,
    token_refused,
)
from tokens.models import Kind
from tokens.models.kinds import LOGIN_OUTCOMES
from tokens.validation import CHECKS

# Seconds: a bearer call is at the start, a password hash in the middle, an outage at the end.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
# There are only two series for each view, so that counting a call is cheap.
REQUESTS = Counter("portal_requests", "Requests answered.", ("view", "method", "status"))
DURATION = Histogram(
    "portal_request_seconds", "Time from request to answer.", ("view",), buckets=BUCKETS
)
EVENTS = Counter("portal_events", "Events of the audit trail, except those of commands.", ("kind",))
LOGINS = Counter("portal_logins", "Logins, of the API and of pages.", ("outcome",))
REFUSED = Counter("portal_tokens_refused", "Refused tokens, by the check that failed.", ("check",))
HASHES = Gauge(
    "portal_password_hashes",
    "Password hashes that run, and logins that wait for one.",
    ("state",),
    multiprocess_mode="livesum",
)
OTHER = "other"


def begin() -> None:
    """Count from now on. A project without `MetricsMiddleware` counts nothing.

    The series of each known label begins at zero: Prometheus does not see how a new one increases.
    """
    event_committed.connect(count_event)
    login_stopped.connect(count_login)
    token_refused.connect(count_refusal)
    for kind in Kind:
        EVENTS.labels(kind.value)
    for outcome in (*LOGIN_OUTCOMES.values(), LOCKED, BUSY, FACTOR_NEEDED):
        LOGINS.labels(outcome)
    for check in CHECKS:
        REFUSED.labels(check)


def sample() -> None:
    """Set the gauges of this process."""
    HASHES.labels("running").set(lane.hashing)
    HASHES.labels("waiting").set(lane.waiting)


def count_event(kind: str, **_: object) -> None:
    EVENTS.labels(kind if kind in Kind else OTHER).inc()
    if outcome := LOGIN_OUTCOMES.get(kind):
        LOGINS.labels(outcome).inc()


def count_login(outcome: str, **_: object) -> None:
    LOGINS.labels(outcome).inc()


def count_refused_login() -> None:
    """Count a login that the server answered with 503 itself."""
    REQUESTS.labels("none", "POST", 503).inc()
    LOGINS.labels(BUSY).inc()


def count_refusal(check: str, **_: object) -> None:
    REFUSED.labels(check).inc()
