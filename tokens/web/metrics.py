"""Serve metrics to Prometheus.

`tokens.web.series` counts what happens, `tokens.web.figures` reads what the database holds.
"""

import os
import platform
from collections.abc import Iterator

import django
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tokens import VERSION
from tokens.web import figures, series
from tokens.web.health import probe


class Extra(Collector):
    """Add what is the same for all workers of the server, once for each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the version of what runs, and the figures of the database."""
        versions = {
            "version": VERSION,
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        build = GaugeMetricFamily("portal_build_info", "What runs.", labels=[*versions])
        build.add_metric([*versions.values()], 1)
        yield build
        yield from figures.collect()


@probe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of all workers of the server, as Prometheus text."""
    series.sample()
    counted = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    extra = CollectorRegistry()
    extra.register(Extra())
    return HttpResponse(
        generate_latest(counted) + generate_latest(extra), content_type=CONTENT_TYPE_LATEST
    )
