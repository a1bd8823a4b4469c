"""Call a portal as its clients do, from several threads, and note each call that fails.

A client logs in, makes bearer calls, refreshes, verifies, revokes, and makes sure that what it
revoked is refused. Half of the calls go over a connection that is kept open, the others over new
ones.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

ROUNDS = 5
TIMEOUT = 30


@dataclass
class Client:
    """One client, with a user of its own: ``url`` is the portal's, without a slash at its end."""

    url: str
    verify: str | bool
    username: str
    password: str
    pause: float = 0.0  # seconds between two calls
    calls: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def run(self, stop: threading.Event) -> None:
        with requests.Session() as kept:
            kept.trust_env = False
            kept.verify = self.verify
            while not stop.is_set():
                self._live(kept, stop)

    def _live(self, kept: requests.Session, stop: threading.Event) -> None:
        """Go through the life of one session."""
        pair = self.call(kept, "login", {"username": self.username, "password": self.password})
        for number in itertools.count():
            if not pair or stop.is_set():
                return
            session = kept if number % 2 else None
            self.call(session, "restricted", token=pair["access"])
            self.call(session, "verify", {"token": pair["access"]})
            self.call(session, "restricted", token=pair["access"])
            if number == ROUNDS:
                break
            pair = self.call(session, "refresh", {"refresh": pair["refresh"]})
        self.call(session, "revoke", {"token": pair["refresh"]}, form=True)
        self.call(session, "restricted", token=pair["access"], expected=401)
        self.call(kept, "refresh", {"refresh": pair["refresh"]}, expected=401)

    def call(
        self,
        session: requests.Session | None,
        name: str,
        body: dict[str, str] | None = None,
        *,
        token: str = "",
        form: bool = False,
        expected: int = 200,
    ) -> dict[str, str]:
        """Return the body of the response; nothing if the call failed."""
        time.sleep(self.pause)
        self.calls[name] += 1
        began = time.monotonic()
        sent: dict[str, object] = {"data": body} if form else {"json": body}
        try:
            answer = (session or requests).request(
                "GET" if body is None else "POST",
                f"{self.url}/api/{name}",
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=TIMEOUT,
                verify=self.verify,
                **({} if body is None else sent),  # type: ignore[arg-type]
            )
        except requests.RequestException as error:
            self._fail(name, repr(error))
            return {}
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code != expected:
            self._fail(name, f"{answer.status_code} {answer.text[:300]}")
            return {}
        return dict(answer.json()) if expected == 200 else {}

    def _fail(self, name: str, what: str) -> None:
        self.failures.append(f"{time.strftime('%H:%M:%S')} {name}: {what}")


class Load:
    """The clients that call a portal at the same time."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.clients = clients
        self.stop = threading.Event()

    @property
    def calls(self) -> int:
        return sum(client.calls.total() for client in self.clients)

    @property
    def failures(self) -> list[str]:
        return [failure for client in self.clients for failure in client.failures]

    @property
    def slowest(self) -> float:
        """Return the seconds of the slowest call that was answered."""
        return max(client.slowest for client in self.clients)

    def wait_for(self, calls: int, seconds: float = 600) -> None:
        """Wait until there were so many calls, of all clients."""
        until = time.monotonic() + seconds
        while self.calls < calls:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.calls} of {calls} calls in {seconds} s")
            time.sleep(0.05)


@contextmanager
def load(clients: Sequence[Client]) -> Iterator[Load]:
    """Let the clients call until the block ends."""
    running = Load(clients)
    threads = [threading.Thread(target=client.run, args=[running.stop]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        for thread in threads:
            thread.join()
