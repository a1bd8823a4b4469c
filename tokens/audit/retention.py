"""Retention: the one way in which events leave the trail, whole sealed stretches at a time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Max

from tokens.audit.chain import known_keys
from tokens.audit.guards import retention
from tokens.audit.record import record
from tokens.audit.rollup import roll_up
from tokens.audit.seal import hold_seals, seal_removal
from tokens.audit.verify import check_seal, check_stretch
from tokens.audit.webhook import READER as WEBHOOK
from tokens.models import Event, Kind, Seal, TrailReader

# Stretches to a transaction.
BATCH = 10


class NotYet(Exception):
    """Something has still to read what was to be removed."""


def removable(*, before: datetime) -> list[Seal]:
    """The stretches, oldest first, whose every event is older than ``before``. It ends at the
    first that is not: the trail has one beginning."""
    removed = Seal.objects.aggregate(last=Max("removed_through"))["last"] or 0
    found: list[Seal] = []
    rest = Seal.objects.filter(number__gt=removed, removed_through=None).order_by("number")
    for seal in rest.defer("steps", "links").iterator(chunk_size=500):
        if seal.last_at is None or seal.last_at >= before:
            break
        found.append(seal)
    return found


def remove_events(*, before: datetime, actor: Any | None, reason: str) -> Iterator[int]:
    """Remove them, oldest first; yields how many events each step removed. Each step commits
    with the seal that testifies to it and with its event. A stretch that is not as it was
    stays, and `tokens.audit.verify.Tampered` is raised: it is evidence. Raises `NotYet`."""
    for _reached in roll_up():
        pass
    doomed = removable(before=before)
    if doomed:
        _must_be_delivered(doomed[-1].through_id)
    for at in range(0, len(doomed), BATCH):
        yield _remove([seal.number for seal in doomed[at : at + BATCH]], actor, reason)


def _must_be_delivered(through: int) -> None:
    reader = TrailReader.objects.filter(name=WEBHOOK).first()
    if settings.WEBHOOK_URL and reader is not None and reader.last_id < through:
        raise NotYet("the webhook has not been given these events yet: run deliver_events first")


def _remove(numbers: list[int], actor: Any | None, reason: str) -> int:
    keys = known_keys()
    events = 0
    with retention():
        hold_seals()
        for number in numbers:
            seal = Seal.objects.get(number=number)
            before = Seal.objects.filter(number=number - 1).first()
            check_stretch(seal, key=check_seal(seal, before, keys))
            stretch = Event.objects.filter(pk__gt=seal.after_id, pk__lte=seal.through_id)
            events += stretch._raw_delete(stretch.db)  # no model hangs from an event
        testimony = seal_removal(removed_through=numbers[-1])
        record(
            kind=Kind.PURGED,
            actor=actor,
            reason=reason,
            count=events,
            data={"what": "events", "seals": [numbers[0], numbers[-1]], "seal": testimony.number},
        )
    return events
