"""Serve metrics to Prometheus: requests by view, method and status, and their duration by view.

There are only two series for each view, so that counting is cheap.
"""

import os

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

from tokens.web.health import probe

# Seconds: a bearer call is at the start, a password hash in the middle, an outage at the end.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
REQUESTS = Counter("portal_requests", "Requests answered.", ("view", "method", "status"))
DURATION = Histogram(
    "portal_request_seconds", "Time from request to answer.", ("view",), buckets=BUCKETS
)


@probe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of all workers of the server, as Prometheus text."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
