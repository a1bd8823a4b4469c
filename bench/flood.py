"""Compare bearer calls of a quiet portal with those during a flood of wrong logins.

``python -m bench.flood URL TOKEN``, where the portal at URL runs with TRUSTED_PROXIES=127.0.0.1,
and TOKEN is an access token. Prints one JSON object; ``ratio`` is the p99 during the flood divided
by the quiet one. The clients use the same cores as the portal, also those of the flood.
"""

import argparse
import http.client
import json
import multiprocessing
import statistics
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

CLIENTS = 50
BEARERS = 4
# The flood must fill the waiting places before bearer calls are measured.
SETTLE_SECONDS = 1.0


def bearer_times(url: str, token: str, seconds: float) -> tuple[list[float], Counter[int]]:
    """Call with `BEARERS` clients; return the duration of each call in ms, and the statuses."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.monotonic() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.request(
                "GET", "/api/restricted", headers={"Authorization": f"Bearer {token}"}
            )
            response = connection.getresponse()
            response.read()
            times.append((time.perf_counter() - began) * 1000)
            statuses[response.status] += 1

    _run([threading.Thread(target=client) for _ in range(BEARERS)])
    return times, statuses


def flood(url: str, stop: Any, counted: Any) -> None:
    """Log in with wrong passwords, and a new name and address each time, until ``stop`` is set."""
    statuses: Counter[int] = Counter()

    def client(number: int) -> None:
        attempt = 0
        while not stop.is_set():
            attempt += 1
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
            body = json.dumps({"username": f"user-{number}-{attempt}", "password": "wrong"})
            address = f"198.51.{number}.{attempt % 250}"
            headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
            connection.request("POST", "/api/login", body, headers)
            response = connection.getresponse()
            response.read()
            statuses[response.status] += 1
            connection.close()

    _run([threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)])
    counted.put(dict(statuses))


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    bearer_times(options.url, options.token, 1.0)
    quiet, _statuses = bearer_times(options.url, options.token, options.seconds)
    spawn = multiprocessing.get_context("spawn")
    stop, counted = spawn.Event(), spawn.Queue()
    attacker = spawn.Process(target=flood, args=(options.url, stop, counted))
    attacker.start()
    time.sleep(SETTLE_SECONDS)
    try:
        loud, statuses = bearer_times(options.url, options.token, options.seconds)
    finally:
        stop.set()
    logins = counted.get()
    attacker.join()
    before, during = (statistics.quantiles(times, n=100)[98] for times in (quiet, loud))
    result = {
        "quiet_p99_ms": round(before, 1),
        "flood_p99_ms": round(during, 1),
        "ratio": round(during / before, 1),
        "bearer": dict(statuses),
        "logins": logins,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
