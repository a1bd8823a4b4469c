"""Read /metrics as Prometheus does."""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

# A series: its name and its labels, sorted.
Series = tuple[str, tuple[tuple[str, str], ...]]


class Scrape(dict[Series, float]):
    """Hold the value of each series of one scrape."""

    def of(self, name: str, **labels: str) -> Any:
        """Return the value of a series, None if the portal has none."""
        return self.get((name, tuple(sorted(labels.items()))))


def parsed(text: str) -> Scrape:
    """Return the series of an answer of /metrics. Raises `ValueError` for anything else."""
    found = Scrape()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def scrape(server) -> Scrape:
    answer = server.call("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def wait_for(server, condition: Callable[[Scrape], object], seconds: float = 30) -> Scrape:
    """Scrape until the condition holds: gauges are set each second, figures read each five."""
    until = time.monotonic() + seconds
    while True:
        found = scrape(server)
        if condition(found):
            return found
        assert time.monotonic() < until, dict(found)
        time.sleep(0.3)
