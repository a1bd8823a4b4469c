"""Clients that remember what was acknowledged, and compare later answers with it."""

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.fill.management.commands.fill import PASSWORD

CLIENTS, REFRESHES = 6, 4
PAUSE, PROBE_PAUSE = 0.05, 0.2


@dataclass
class Session:
    """Hold what a client knows of its session from the answers that it got."""

    access: str
    refresh: str
    # Set as soon as the client asks for the end; `ended` is set by the acknowledgement.
    ending: bool = False
    ended: bool = False
    # An answer to a refresh left it open whether it was made.
    unsure: bool = False


@dataclass
class Round:
    acknowledged: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sessions: list[Session] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    # When each act was acknowledged, when each 503 came, and how long probes and calls took.
    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    slowest: float = 0.0
    broken: float = 0.0
    promoted: float = 0.0

    @property
    def first(self) -> float:
        """Return the seconds from the promotion to the first act that is acknowledged."""
        return min(at for at in self.served if at >= self.promoted) - self.promoted

    @property
    def last_refused(self) -> float:
        """Return the seconds from the promotion to the last 503."""
        return max(0.0, max(self.refused, default=0.0) - self.promoted)

    @property
    def gap(self) -> float:
        served = sorted(self.served)
        return max(later - one for one, later in itertools.pairwise(served))


class Load:
    """Clients that log in, refresh and log out, and observers of what they were told."""

    def __init__(self, url: str, names: list[str]) -> None:
        self.host, self.names = url.removeprefix("http://"), names
        self.round = Round()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> Round:
        self.round = Round()
        self._stop.clear()
        work = [self._client] * CLIENTS + [self._observe] * 2 + [self._probe]
        self._threads = [threading.Thread(target=one) for one in work]
        for thread in self._threads:
            thread.start()
        return self.round

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    # --- Calls.

    def call(self, path: str, body: dict[str, str] | None = None, bearer: str = "") -> Any:
        """Return the status and the JSON of an answer; the status is 0 if there is none."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                headers["Content-Type"] = "application/json"
                connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except OSError as error:
            self.round.faults.append(f"{path}: {error!r}")
            status, text = 0, b"{}"
        finally:
            connection.close()
        ended = time.monotonic()
        self.round.statuses[status] += 1
        self.round.slowest = max(self.round.slowest, ended - began)
        if status == 503:
            self.round.refused.append(ended)
        return status, json.loads(text)

    def _act(self, name: str, body: dict[str, str]) -> tuple[dict[str, str] | None, bool]:
        """Return what was acknowledged, or None, and whether it may have been made unseen."""
        status, answer = self.call(f"/api/{name}", body)
        if status == 200:
            self.round.served.append(time.monotonic())
            self.round.acknowledged[name] += 1
            return answer, False
        if status != 503:
            self.round.faults.append(f"{name}: {status} {answer}")
        time.sleep(PAUSE)
        return None, status != 503 or "known" in answer["detail"]

    # --- Clients.

    def _client(self) -> None:
        while not self._stop.is_set():
            who = {"username": random.choice(self.names), "password": PASSWORD}
            pair, _unsure = self._act("login", who)
            if pair is not None:
                session = Session(pair["access"], pair["refresh"])
                self.round.sessions.append(session)
                self._use(session)

    def _use(self, session: Session) -> None:
        for _ in range(random.randint(1, REFRESHES)):
            pair = None
            # A refresh that was not made can be repeated at any time.
            while pair is None and not session.unsure:
                if self._stop.is_set():
                    return
                pair, session.unsure = self._act("refresh", {"refresh": session.refresh})
            if pair is None:
                return
            session.access, session.refresh = pair["access"], pair["refresh"]
        if random.random() < 0.5:
            return
        session.ending = True
        while not session.ended and not self._stop.is_set():
            # A logout can always be repeated.
            answer, _unsure = self._act("logout", {"refresh": session.refresh})
            session.ended = answer is not None

    def _observe(self) -> None:
        """Ask for random sessions, mostly recent ones, and compare with what was acknowledged."""
        while not self._stop.is_set():
            if known := self.round.sessions:
                at = min(int(random.expovariate(0.1)), len(known) - 1)
                self._compare(known[-1 - at])
            time.sleep(PAUSE)

    def _compare(self, session: Session) -> None:
        ended, access = session.ended, session.access
        status, answer = self.call("/api/restricted", bearer=access)
        if ended and status == 200:
            self.round.faults.append("served after its acknowledged revocation")
        if status == 401 and not session.ending:
            self.round.faults.append(f"refused although live: {answer}")
        if status not in (200, 401, 503):
            self.round.faults.append(f"restricted: {status} {answer}")

    def _probe(self) -> None:
        while not self._stop.is_set():
            for path in ("/healthz", "/readyz"):
                began = time.monotonic()
                status, answer = self.call(path)
                self.round.probes.append(time.monotonic() - began)
                if status not in ((200,) if path == "/healthz" else (200, 503)):
                    self.round.faults.append(f"{path}: {status} {answer}")
            time.sleep(PROBE_PAUSE)

    # --- After the failover.

    def lost(self, sessions: list[Session]) -> list[str]:
        """Return how sessions differ from what was acknowledged."""
        found = []
        for session in sessions:
            if session.ending and not session.ended:
                continue
            expected = 401 if session.ended else 200
            status, _answer = self.call("/api/restricted", bearer=session.access)
            if status != expected:
                found.append(f"bearer: {status} instead of {expected}")
            if session.unsure:
                continue
            status, pair = self.call("/api/refresh", {"refresh": session.refresh})
            if status != expected:
                found.append(f"refresh: {status} instead of {expected}")
            elif status == 200:
                session.access, session.refresh = pair["access"], pair["refresh"]
        return found
