"""Add a service, give it another secret, and remove it."""

import re
import secrets
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction

from tokens import audit
from tokens.db import clock
from tokens.models import Kind, Service
from tokens.models.service import NAME_LIMIT
from tokens.origin import Actor
from tokens.services.credentials import digest_of

NAME = re.compile(rf"\A[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LIMIT - 1}}}\Z")
SECRET_BYTES = 32


class NameTaken(ValueError):
    """Raised when another service has the name."""


class ServiceGone(LookupError):
    """Raised for a service that was removed concurrently."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Hold a service and its new secret, which is stored nowhere."""

    service: Service
    secret: str = field(repr=False)


def add_service(
    *,
    name: str,
    may_introspect: bool,
    may_read_feed: bool,
    actor: Actor = None,
    secret: str | None = None,
) -> Credential:
    """Add a service and return its secret, which is a random one unless it is given.

    Raises ValueError for a bad name and for a service that may do nothing, and `NameTaken`.
    """
    if NAME.fullmatch(name) is None:
        raise ValueError(
            f"A name has letters, digits, '.', '_' and '-', and at most {NAME_LIMIT} of them."
        )
    if not may_introspect and not may_read_feed:
        raise ValueError("A service may introspect tokens, read the feed, or both.")
    secret = secret or secrets.token_urlsafe(SECRET_BYTES)
    service = Service(
        name=name,
        digest=digest_of(secret),
        may_introspect=may_introspect,
        may_read_feed=may_read_feed,
    )
    try:
        with transaction.atomic():
            service.save(force_insert=True)
            _record(Kind.SERVICE_ADDED, service, actor)
    except IntegrityError as error:
        if Service.objects.filter(name=name).exists():
            raise NameTaken(f"There is a service named {name} already.") from error
        raise
    return Credential(service, secret)


def rotate_service(
    *, service: Service, actor: Actor = None, secret: str | None = None
) -> Credential:
    """Give a service another secret, random unless given. The one before is refused from now on.

    Raises `ServiceGone`.
    """
    secret = secret or secrets.token_urlsafe(SECRET_BYTES)
    service.digest, service.rotated_at = digest_of(secret), clock.now()
    with transaction.atomic():
        changed = Service.objects.filter(pk=service.pk).update(
            digest=service.digest, rotated_at=service.rotated_at
        )
        if not changed:
            raise ServiceGone(f"The service {service.name} was removed.")
        _record(Kind.SERVICE_ROTATED, service, actor)
    return Credential(service, secret)


def remove_service(*, service: Service, actor: Actor = None) -> None:
    """Remove a service. Its calls are refused from now on. Raises `ServiceGone`."""
    with transaction.atomic():
        deleted, _by_model = Service.objects.filter(pk=service.pk).delete()
        if not deleted:
            raise ServiceGone(f"The service {service.name} was removed.")
        _record(Kind.SERVICE_REMOVED, service, actor)


def _record(kind: Kind, service: Service, actor: Actor) -> None:
    data = {
        "service": service.name,
        "introspect": service.may_introspect,
        "feed": service.may_read_feed,
    }
    audit.record(kind=kind, actor=actor, data=data)
