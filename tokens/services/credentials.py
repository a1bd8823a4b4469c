"""Check the name and the secret that a service sends with each call.

A call costs one statement, and sometimes a second one that stores when the service called last.
"""

import hashlib
import hmac
from datetime import timedelta

from tokens import audit
from tokens.audit.refusals import Budget
from tokens.db import clock
from tokens.models import Kind, Service
from tokens.origin import client_network, current_origin

# What one process answers in a minute: wrong secrets, of all clients and of one, and good calls.
ALL_FAILURES, FAILURES_OF_CLIENT = 1_000, 30
ALL_CALLS, CALLS_OF_SERVICE = 300_000, 30_000
# The stored time of the last call may be behind by this much.
LAST_CALL = timedelta(seconds=10)
# Compared with the secret of a call that names no service, so that it takes as long.
NO_DIGEST = hashlib.sha256(b"").hexdigest()

failures = Budget(together=ALL_FAILURES)
calls = Budget(together=ALL_CALLS)


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
    service = Service.objects.filter(name=name).first() if name.isprintable() else None
    stored = service.digest if service is not None else NO_DIGEST
    if not hmac.compare_digest(stored, digest_of(secret)) or service is None:
        _reject(service)
        raise CredentialRejected
    if not calls.spend({service.pk: CALLS_OF_SERVICE}):
        raise ServiceThrottled
    now = clock.now()
    if service.last_call_at is None or not now - LAST_CALL < service.last_call_at <= now:
        Service.objects.filter(pk=service.pk).update(last_call_at=now)
    return service


def refuse_permission(*, service: Service, wanted: str) -> None:
    """Record that a service lacks a permission."""
    _record(service, f"without the permission to {wanted}", about=wanted)


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
