"""Remove old events: the only way in which events leave the trail."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tokens.audit.chain import SealingKey, known_keys
from tokens.audit.delivery.webhook import READER as WEBHOOK
from tokens.audit.guards import deletion_allowed
from tokens.audit.record import record
from tokens.audit.rollup import roll_up
from tokens.audit.seal import lock_seals, seal_removal
from tokens.audit.tampered import Tampered
from tokens.audit.trusted_seals import Chain, check_seal, in_order, in_pages, newest_seal
from tokens.audit.verify import check_stretch, removed_through
from tokens.conf import app_settings
from tokens.models import Event, EventTarget, Kind, Seal, TrailReader
from tokens.origin import Actor

# Stretches in one transaction.
BATCH = 10


class NotYet(Exception):
    """The webhook has still to receive events that would be removed."""


@dataclass(frozen=True, slots=True)
class Removable:
    """Hold the numbers of the seals whose events can be removed, oldest first.

    ``events`` is how many they cover, the last one with the id ``through_id``. ``forged`` says what
    is wrong with the seals that none of our keys made.
    """

    numbers: list[int] = field(default_factory=list)
    events: int = 0
    through_id: int = 0
    forged: list[Tampered] = field(default_factory=list)


def removable_seals(*, before: datetime) -> Removable:
    """Find the seals whose events are all older than ``before``.

    They end at the first seal with a younger event, so that the trail has one beginning. A forged
    seal counts for nothing: otherwise a role that may insert rows could stop retention.
    """
    chain = Chain(known_keys())
    numbers: list[int] = []
    forged: list[Tampered] = []
    events = through_id = 0
    rest = in_order().filter(number__gt=removed_through(chain.keys), removed_through=None)
    for seal in in_pages(rest):
        if (wrong := chain.check(seal)) is not None:
            forged.append(wrong)
            continue
        # No event is younger than its seal, whatever time it claims.
        if min(seal.last_at or seal.sealed_at, seal.sealed_at) >= before:
            break
        numbers.append(seal.number)
        events, through_id = events + seal.count, seal.through_id
    return Removable(numbers, events, through_id, forged)


def remove_events(*, before: datetime, actor: Actor, reason: str) -> Iterator[int]:
    """Remove the events of `removable_seals`, and yield the number of each batch.

    Each batch commits together with a seal that testifies to the removal, and with an event.

    Raises `tokens.audit.tampered.Tampered` at a seal or a stretch that was changed, which stays as
    evidence, `tokens.audit.seal.ReplacedKey`, `tokens.audit.seal.SealsLocked` and `NotYet`.
    """
    for _reached in roll_up():
        pass
    found = removable_seals(before=before)
    if found.numbers:
        _check_delivered(through=found.through_id)
    for at in range(0, len(found.numbers), BATCH):
        numbers = found.numbers[at : at + BATCH]
        yield _remove(numbers, forged=found.forged, actor=actor, reason=reason)


def _check_delivered(*, through: int) -> None:
    reader = TrailReader.objects.filter(name=WEBHOOK).first()
    if app_settings.WEBHOOK_URL and reader is not None and reader.last_id < through:
        raise NotYet("The webhook has not received these events yet: run deliver_events first.")


def _remove(numbers: list[int], *, forged: list[Tampered], actor: Actor, reason: str) -> int:
    events = 0
    with deletion_allowed():
        lock_seals()
        for number in numbers:
            seal = Seal.objects.get(number=number)
            check_stretch(seal, key=_check_seal(seal, forged))
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


def _check_seal(seal: Seal, forged: list[Tampered]) -> SealingKey:
    """Check that the seal follows the genuine one before it. Raises `Tampered`.

    It doesn't if that one was changed, and now counts as forged: then this is what is named.
    """
    before = newest_seal(below=seal.number)
    try:
        return check_seal(seal, before=before, keys=known_keys())
    except Tampered as wrong:
        after = before.number if before else 0
        changed = (one for one in forged if one.seal in range(after + 1, seal.number))
        raise next(changed, wrong) from None
