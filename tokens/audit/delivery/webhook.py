"""Deliver the trail to the webhook: at least once, and in order.

The trail is the outbox, and one `TrailReader` row holds the id that the receiver has reached.
The row moves after each 2xx, so a process that is killed repeats at most one request and never
skips one. Events are sent in the order of their ids, one request after another, so the events of
a session arrive in the order in which they happened. A receiver recognises a repeated event by its
``id``, and a repeated token by its ``jti``.

An act upon many is a security event token for each session that it ended. The position within the
event is stored too.
"""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tokens.audit.delivery.caep import build_all_claims, sign_security_event
from tokens.audit.delivery.http import Receiver, Undelivered
from tokens.audit.delivery.lease import Busy, Lease, free_rows, leased
from tokens.audit.record import TRACE
from tokens.audit.serializers import row_of, to_json
from tokens.audit.watermark import high_water_mark
from tokens.conf import app_settings
from tokens.db import clock
from tokens.models import Event, TrailReader
from tokens.origin import trace_of

READER = "webhook"
BATCH = 100
LONGEST_PAUSE = 15 * 60


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery. The receiver has the trail up to the id ``through``.

    ``events`` is the number of events sent: 0 if none has a form for this receiver.
    """

    events: int
    through: int


@dataclass(frozen=True, slots=True)
class Position:
    """Hold how far the receiver is: to ``last_id``, and ``targets`` of the next event."""

    last_id: int
    targets: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One request, the number of events in it, and how far the receiver has the trail after it."""

    body: bytes
    headers: dict[str, str]
    events: int
    reached: Position


def reader(*, from_start: bool = False) -> TrailReader:
    """Return the row that holds how far the receiver has the trail.

    A new receiver starts with the next event, or with the first one if ``from_start``.
    """
    row = TrailReader.objects.filter(name=READER).first()
    if row is None:
        begin = 0 if from_start else high_water_mark()
        row, _ = TrailReader.objects.get_or_create(name=READER, defaults={"last_id": begin})
    return row


def position() -> int | None:
    """Return the id that the receiver has reached, or None if the reader has not started."""
    return TrailReader.objects.filter(name=READER).values_list("last_id", flat=True).first()


def start_again() -> None:
    """Let the next delivery begin with the first event. Raises `Busy` during a delivery."""
    start = {"last_id": 0, "targets": 0, "failures": 0, "next_try_at": None, "error": ""}
    if not free_rows(READER).update(holder="", **start):
        raise Busy


def deliver(*, receiver: Receiver, wait: float = 30.0, batch: int = BATCH) -> Iterator[Delivered]:
    """Deliver the events below the high-water mark, and yield after each ``batch`` of them.

    Raises `Undelivered` at the first failure, after storing when the next attempt is due, `Busy`
    and `tokens.audit.watermark.StillWriting`.
    """
    through = high_water_mark(wait=wait)
    with leased(READER) as lease:
        while True:
            row = TrailReader.objects.get(name=READER)
            events = list(
                Event.objects.filter(pk__gt=row.last_id, pk__lte=through).order_by("pk")[:batch]
            )
            if not events:
                return
            sent, reached, end = 0, Position(row.last_id, row.targets), Position(events[-1].pk)
            for message in _messages(row, events):
                lease.check()
                try:
                    receiver.post(message.body, message.headers)
                except Undelivered as error:
                    _store_failure(lease, row.failures if sent == 0 else 0, error)
                    raise
                reached = message.reached
                _store(lease, reached)
                sent += message.events
                if sent >= batch:
                    break
            else:
                # The last events may have no form for this receiver.
                if reached != end:
                    reached = end
                    _store(lease, reached)
            yield Delivered(sent, reached.last_id)


def due_in(row: TrailReader) -> float:
    """Return the seconds until the next attempt, or 0 if it is due."""
    if row.next_try_at is None:
        return 0.0
    return max(0.0, float((row.next_try_at - clock.now()).total_seconds()))


def _store(lease: Lease, reached: Position) -> None:
    lease.update(
        last_id=reached.last_id,
        targets=reached.targets,
        failures=0,
        next_try_at=None,
        error="",
    )


def _store_failure(lease: Lease, before: int, error: Undelivered) -> None:
    """Store when the next attempt is due, after ``before`` failures in a row before this one."""
    failures = before + 1
    pause = min(LONGEST_PAUSE, 2 ** min(failures, 12))
    # Half of the pause is random, so that portals don't all retry at the same moment.
    pause = max(error.retry_after, pause * (0.5 + random.random() / 2))  # noqa: S311
    lease.update(
        failures=failures,
        next_try_at=clock.now() + timedelta(seconds=pause),
        error=str(error)[:200],
    )


def _messages(row: TrailReader, events: list[Event]) -> Iterator[Message]:
    """Yield the requests that deliver ``events``, the next ones after the position of ``row``."""
    if app_settings.WEBHOOK_FORMAT != "caep":
        lines = [json.dumps(to_json(row_of(event))) for event in events]
        body = f'{{"type":"events","events":[{",".join(lines)}]}}'.encode()
        name = f"events-{events[0].pk}-{events[-1].pk}"
        headers = {"Content-Type": "application/json", **signature(name, body), **trace(events)}
        yield Message(body, headers, len(events), Position(events[-1].pk))
        return
    before, sent = row.last_id, row.targets
    for event in events:
        for number, claims in build_all_claims(event, after=sent):
            # RFC 8935, section 2: one token in each request.
            headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
            headers |= trace([event])
            reached = Position(before, number) if number else Position(event.pk)
            yield Message(sign_security_event(claims).encode(), headers, 1, reached)
        before, sent = event.pk, 0


def trace(events: list[Event]) -> dict[str, str]:
    """Return the header of W3C Trace Context, if all events belong to the same trace."""
    found = {str(event.data.get(TRACE)) for event in events}
    return {TRACE: found.pop()} if len(found) == 1 and all(map(trace_of, found)) else {}


def signature(name: str, body: bytes, *, at: int | None = None) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification (standardwebhooks.com)."""
    stamp = str(int(clock.now().timestamp()) if at is None else at)
    secret = app_settings.WEBHOOK_SECRET
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
