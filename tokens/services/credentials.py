"""Check the name and the secret that a service sends with each call.

A call costs one statement, and every few seconds a second one that stores how many there were.
"""

import hashlib
import hmac
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import connection
from django.db.models import F

from tokens import audit
from tokens.audit.refusals import Budget
from tokens.db import clock
from tokens.db.statements import Columns, fetch_one
from tokens.models import Kind, Service
from tokens.origin import client_network, current_origin

# What one process answers in a minute: wrong secrets, of all clients and of one, and good calls.
ALL_FAILURES, FAILURES_OF_CLIENT = 1_000, 30
ALL_CALLS, CALLS_OF_SERVICE = 300_000, 30_000
# The stored number of calls, and the time of the last one, may be behind by this much.
STORED_EVERY = timedelta(seconds=10)
# Compared with the secret of a call that names no service, so that it takes as long.
NO_DIGEST = hashlib.sha256(b"").hexdigest()


class CallCounter:
    """Count the calls of each service in this process, until they are stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget the calls that are not stored."""
        self._calls: Counter[int] = Counter()
        self._stored: dict[int, float] = {}

    def add(self, key: int, *, due: bool) -> int:
        """Count a call. Return how many to store now: all since the last time, or 0.

        They are stored if it is ``due``, and if this process has not stored any for a while.
        """
        with self._lock:
            now = time.monotonic()
            self._calls[key] += 1
            if not due and now - self._stored.get(key, 0) < STORED_EVERY.total_seconds():
                return 0
            self._stored[key] = now
            return self._calls.pop(key)


failures = Budget(together=ALL_FAILURES)
calls = Budget(together=ALL_CALLS)
counted = CallCounter()


class CredentialRejected(Exception):
    """Raised for a name or a secret that is wrong."""


class ServiceThrottled(Exception):
    """Raised after too many calls of a service, or too many wrong secrets from an address."""

    retry_after = 60


def digest_of(secret: str) -> str:
    """Return the digest that is stored.

    A slow hash would protect nothing more: the secrets are random and have 256 bits.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def authenticate(*, name: str, secret: str) -> Service:
    """Return the service with this name and secret.

    Raises `CredentialRejected` and `ServiceThrottled`. A wrong secret of a service is recorded, at
    most once a minute.
    """
    service = _named(name) if name.isprintable() else None
    stored = service.digest if service is not None else NO_DIGEST
    if not hmac.compare_digest(stored, digest_of(secret)) or service is None:
        _reject(service)
        raise CredentialRejected
    if not calls.spend({service.pk: CALLS_OF_SERVICE}):
        raise ServiceThrottled
    _count(service, clock.now())
    return service


def refuse_permission(*, service: Service, wanted: str) -> None:
    """Record that a service lacks a permission."""
    _record(service, f"without the permission to {wanted}", about=wanted)


def _named(name: str) -> Service | None:
    """Read a service. Each poll of the feed does, so the statement is a prepared one."""
    columns, sql = _statement()
    row = fetch_one(sql, [name], binary=columns.binary)
    return columns.instance(row) if row is not None else None


@lru_cache(maxsize=1)
def _statement() -> tuple[Columns[Service], str]:
    columns = Columns(Service, "s")
    table = connection.ops.quote_name(Service._meta.db_table)
    return columns, f"SELECT {columns.sql} FROM {table} s WHERE s.name = %s"  # noqa: S608


def _count(service: Service, now: datetime) -> None:
    last = service.last_call_at
    due = last is None or not now - STORED_EVERY < last <= now
    if number := counted.add(service.pk, due=due):
        Service.objects.filter(pk=service.pk).update(calls=F("calls") + number, last_call_at=now)


def _reject(service: Service | None) -> None:
    address = client_network(current_origin().ip) or ""
    if not failures.spend({address: FAILURES_OF_CLIENT}):
        raise ServiceThrottled
    if service is not None:
        _record(service, "wrong secret", about="secret")


def _record(service: Service, reason: str, *, about: str) -> None:
    event = audit.build_event(
        kind=Kind.SERVICE_REFUSED, reason=reason, data={"service": service.name}
    )
    audit.write_bounded(event, about=(service.pk, about))
