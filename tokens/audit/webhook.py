"""The trail to a webhook: at least once, and in order.

The trail is the outbox, and one row says how far the receiver has it. That row moves only after
a 2xx, so a process that is killed repeats, and never skips. Events go out in the order of their
ids, one delivery after another, so those of one session arrive in the order in which they
happened. A receiver knows a repeated event by its ``id``.
"""

import base64
import hashlib
import hmac
import json
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from tokens.audit.caep import claims_of, signed
from tokens.audit.forms import plain, row_of
from tokens.audit.post import Receiver, Undelivered
from tokens.audit.settled import settled_id
from tokens.models import Event, TrailReader

READER = "webhook"
BATCH = 100
LEASE = timedelta(seconds=60)
LONGEST_WAIT = 15 * 60


class Busy(Exception):
    """Somebody else delivers just now."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """``events`` went out (0: none of them had a form that this receiver takes) and the row
    stands at ``through``."""

    events: int
    through: int


def reader(*, from_start: bool = False) -> TrailReader:
    """How far the receiver has the trail. One that is new begins with what happens from now
    on, or with the first event there is."""
    row = TrailReader.objects.filter(name=READER).first()
    if row is None:
        begin = 0 if from_start else settled_id()
        row, _ = TrailReader.objects.get_or_create(name=READER, defaults={"last_id": begin})
    return row


def deliver(*, receiver: Receiver, wait: float = 30.0, batch: int = BATCH) -> Iterator[Delivered]:
    """Deliver all that is settled. Raises `Undelivered` at the first failure, after writing
    down when the next attempt is due, and `Busy`."""
    me = uuid.uuid4().hex
    through = settled_id(wait=wait)
    try:
        while True:
            row = _claim(me)
            events = list(
                Event.objects.filter(pk__gt=row.last_id, pk__lte=through).order_by("pk")[:batch]
            )
            if not events:
                return
            try:
                sent = _send(receiver, events)
            except Undelivered as error:
                _failed(me, row, error)
                raise
            moved = _mine(me).update(last_id=events[-1].pk, failures=0, next_try_at=None, error="")
            if not moved:
                raise Busy
            yield Delivered(sent, events[-1].pk)
    finally:
        _mine(me).update(holder="", leased_until=None)


def due_in(row: TrailReader) -> float:
    """Seconds until the next attempt; 0 if it is due."""
    if row.next_try_at is None:
        return 0.0
    return max(0.0, (row.next_try_at - timezone.now()).total_seconds())


def _mine(me: str) -> "QuerySet[TrailReader]":
    return TrailReader.objects.filter(name=READER, holder=me)


def _claim(me: str) -> TrailReader:
    """Hold the row for as long as one delivery may take. The lease of a process that was
    killed runs out."""
    now = timezone.now()
    free = Q(holder__in=["", me]) | Q(leased_until__lt=now)
    rows = TrailReader.objects.filter(free, name=READER)
    if not rows.update(holder=me, leased_until=now + LEASE):
        raise Busy
    return TrailReader.objects.get(name=READER)


def _failed(me: str, row: TrailReader, error: Undelivered) -> None:
    failures = row.failures + 1
    pause = min(LONGEST_WAIT, 2 ** min(failures, 12))
    # Half of it by chance, so that portals that failed together do not come back together.
    pause = max(error.retry_after, pause * (0.5 + random.random() / 2))  # noqa: S311
    _mine(me).update(
        failures=failures,
        next_try_at=timezone.now() + timedelta(seconds=pause),
        error=str(error)[:200],
    )


def _send(receiver: Receiver, events: list[Event]) -> int:
    if settings.WEBHOOK_FORMAT == "caep":
        tokens = [claims for event in events if (claims := claims_of(event)) is not None]
        for claims in tokens:
            # RFC 8935, section 2: one token a request.
            receiver.post(
                signed(claims).encode(),
                {"Content-Type": "application/secevent+jwt", "Accept": "application/json"},
            )
        return len(tokens)
    lines = [json.dumps(plain(row_of(event))) for event in events]
    body = f'{{"type":"events","events":[{",".join(lines)}]}}'.encode()
    name = f"events-{events[0].pk}-{events[-1].pk}"
    receiver.post(body, {"Content-Type": "application/json", **signature(name, body)})
    return len(events)


def signature(name: str, body: bytes, *, at: int | None = None) -> dict[str, str]:
    """The headers of the Standard Webhooks specification (standardwebhooks.com)."""
    stamp = str(int(time.time()) if at is None else at)
    secret = settings.WEBHOOK_SECRET
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret.removeprefix("whsec_"))
    else:
        key = secret.encode()
    mac = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": name,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": f"v1,{base64.b64encode(mac).decode()}",
    }
