"""Remove old events: the only way in which events leave the trail."""

from collections.abc import Iterator
from datetime import datetime

from tokens.audit.chain import known_keys
from tokens.audit.delivery.webhook import READER as WEBHOOK
from tokens.audit.guards import deletion_allowed
from tokens.audit.record import record
from tokens.audit.rollup import roll_up
from tokens.audit.seal import lock_seals, seal_removal
from tokens.audit.trusted_seals import check_seal
from tokens.audit.verify import check_stretch, removed_through
from tokens.conf import app_settings
from tokens.models import Event, EventTarget, Kind, Seal, TrailReader
from tokens.origin import Actor

# Stretches in one transaction.
BATCH = 10


class NotYet(Exception):
    """The webhook has still to receive events that would be removed."""


def removable_seals(*, before: datetime) -> list[Seal]:
    """Return the seals whose events are all older than ``before``, oldest first.

    The list ends at the first seal with a younger event, so that the trail has one beginning.
    """
    removed = removed_through(known_keys())
    found: list[Seal] = []
    rest = Seal.objects.filter(number__gt=removed, removed_through=None).order_by("number")
    for seal in rest.defer("steps", "links").iterator(chunk_size=500):
        # No event is younger than its seal, whatever time it claims.
        if min(seal.last_at or seal.sealed_at, seal.sealed_at) >= before:
            break
        found.append(seal)
    return found


def remove_events(*, before: datetime, actor: Actor, reason: str) -> Iterator[int]:
    """Remove the events of `removable_seals`, and yield the number of each batch.

    Each batch commits together with a seal that testifies to the removal, and with an event.

    Raises `tokens.audit.tampered.Tampered` at a stretch that was changed, which stays as evidence,
    `tokens.audit.seal.ReplacedKey`, `tokens.audit.seal.SealsLocked` and `NotYet`.
    """
    for _reached in roll_up():
        pass
    seals = removable_seals(before=before)
    if seals:
        _check_delivered(through=seals[-1].through_id)
    for at in range(0, len(seals), BATCH):
        numbers = [seal.number for seal in seals[at : at + BATCH]]
        yield _remove(numbers, actor=actor, reason=reason)


def _check_delivered(*, through: int) -> None:
    reader = TrailReader.objects.filter(name=WEBHOOK).first()
    if app_settings.WEBHOOK_URL and reader is not None and reader.last_id < through:
        raise NotYet("The webhook has not received these events yet: run deliver_events first.")


def _remove(numbers: list[int], *, actor: Actor, reason: str) -> int:
    keys = known_keys()
    events = 0
    with deletion_allowed():
        lock_seals()
        for number in numbers:
            seal = Seal.objects.get(number=number)
            before = Seal.objects.filter(number__lt=number).order_by("-number").first()
            check_stretch(seal, key=check_seal(seal, before=before, keys=keys))
            stretch = Event.objects.filter(pk__gt=seal.after_id, pk__lte=seal.through_id)
            targets = EventTarget.objects.filter(
                event_id__gt=seal.after_id, event_id__lte=seal.through_id
            )
            # No other model refers to an event, so Django has nothing to cascade to.
            targets._raw_delete(targets.db)
            events += stretch._raw_delete(stretch.db)
        testimony = seal_removal(removed_through=numbers[-1])
        record(
            kind=Kind.PURGED,
            actor=actor,
            reason=reason,
            count=events,
            data={"what": "events", "seals": [numbers[0], numbers[-1]], "seal": testimony.number},
        )
    return events
