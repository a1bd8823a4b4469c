"""Remove old events: the only way in which events leave the trail."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from tokens.audit.chain import SealingKey, known_keys
from tokens.audit.delivery.webhook import READER as WEBHOOK
from tokens.audit.guards import deletion_allowed
from tokens.audit.partitions import Partition, add_ahead, drop, partitions, patiently, tidy
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
OVERTAKEN = "Another run of purge_events is removing these events."


class NotYet(Exception):
    """The webhook has still to receive events that would be removed."""


class Overtaken(Exception):
    """Another run has removed the events."""


@dataclass(frozen=True, slots=True)
class SealedRange:
    """Describe what a seal covers: ``count`` events with ids above ``after``, up to ``through``."""

    number: int
    after: int
    through: int
    count: int


@dataclass(frozen=True, slots=True)
class Removable:
    """Hold the seals whose events can be removed, oldest first.

    ``forged`` says what is wrong with the seals that none of our keys made.
    """

    seals: list[SealedRange] = field(default_factory=list)
    forged: list[Tampered] = field(default_factory=list)

    @property
    def events(self) -> int:
        """Return how many events the seals cover."""
        return sum(seal.count for seal in self.seals)


def removable_seals(*, before: datetime) -> Removable:
    """Find the seals whose events are all older than ``before``.

    They end at the first seal with a younger event, so that the trail has one beginning. A forged
    seal counts for nothing: otherwise a role that may insert rows could stop retention.
    """
    chain, found = Chain(known_keys()), Removable()
    rest = in_order().filter(number__gt=removed_through(chain.keys), removed_through=None)
    for seal in in_pages(rest):
        if (wrong := chain.check(seal)) is not None:
            found.forged.append(wrong)
            continue
        # No event is younger than its seal, whatever time it claims.
        if min(seal.last_at or seal.sealed_at, seal.sealed_at) >= before:
            break
        sealed = SealedRange(seal.number, seal.after_id, seal.through_id, seal.count)
        found.seals.append(sealed)
    return found


def remove_events(*, before: datetime, actor: Actor, reason: str) -> Iterator[int]:
    """Remove the events of `removable_seals`, and yield the number of each batch.

    Each batch commits together with a seal that testifies to the removal, and with an event. Where
    the table has partitions, a batch is a partition that has nothing else, and is dropped. Each run
    also adds the partitions for what comes next.

    Raises `tokens.audit.tampered.Tampered` at a seal or a stretch that was changed, which stays as
    evidence, `tokens.audit.seal.ReplacedKey`, `tokens.audit.seal.SealsLocked`,
    `tokens.audit.partitions.EventsLocked`, `NotYet` and `Overtaken`.
    """
    for _reached in roll_up():
        pass
    tidy()
    add_ahead()
    found = removable_seals(before=before)
    rest = found.seals
    if rest:
        _check_delivered(through=rest[-1].through)
    for partition in partitions():
        inside = _filling(partition, rest)
        if inside and _are_genuine(inside, found.forged):
            yield _drop(partition, inside, actor=actor, reason=reason)
            rest = rest[len(inside) :]
    for at in range(0, len(rest), BATCH):
        yield _remove(rest[at : at + BATCH], forged=found.forged, actor=actor, reason=reason)


def _check_delivered(*, through: int) -> None:
    reader = TrailReader.objects.filter(name=WEBHOOK).first()
    if app_settings.WEBHOOK_URL and reader is not None and reader.last_id < through:
        raise NotYet("The webhook has not received these events yet: run deliver_events first.")


def _filling(partition: Partition, seals: list[SealedRange]) -> list[SealedRange]:
    """Return the first of ``seals``, up to the end of the partition; none if they don't reach it.

    Its events are then all under them, or were removed before.
    """
    last = partition.end - 1
    if not seals or seals[0].after >= last or seals[-1].through < last:
        return []
    ends = next(at for at, seal in enumerate(seals) if seal.through >= last)
    return seals[: ends + 1]


def _are_genuine(seals: list[SealedRange], forged: list[Tampered]) -> bool:
    """Return whether the events are those that were sealed.

    This takes as long as reading them, so no lock is held. A change that comes
    later only changes what is dropped.
    """
    try:
        for sealed in seals:
            _check(sealed, forged)
    except Tampered:
        # `_remove` removes what is before it, and says so.
        return False
    return True


def _drop(partition: Partition, seals: list[SealedRange], *, actor: Actor, reason: str) -> int:
    """Drop a partition. The first and the last seal may cover events in its neighbours too."""
    after, through = seals[0].after, seals[-1].through
    with deletion_allowed():
        lock_seals()
        if partition not in partitions():
            raise Overtaken(OVERTAKEN)
        _delete_targets(after, through)
        for ends in ({"pk__lt": partition.start}, {"pk__gte": partition.end}):
            events = Event.objects.filter(pk__gt=after, pk__lte=through, **ends)
            events._raw_delete(events.db)
        # Calls wait from here on until the transaction ends, so what takes long is done.
        patiently(partial(drop, partition=partition))
        return _testify(seals, sum(one.count for one in seals), actor=actor, reason=reason)


def _remove(seals: list[SealedRange], *, forged: list[Tampered], actor: Actor, reason: str) -> int:
    events = 0
    with deletion_allowed():
        lock_seals()
        for sealed in seals:
            try:
                _check(sealed, forged)
            except Tampered:
                if removed_through(known_keys()) >= sealed.number:
                    raise Overtaken(OVERTAKEN) from None
                raise
            _delete_targets(sealed.after, sealed.through)
            # No other model refers to an event, so Django has nothing to cascade to.
            stretch = Event.objects.filter(pk__gt=sealed.after, pk__lte=sealed.through)
            events += stretch._raw_delete(stretch.db)
        return _testify(seals, events, actor=actor, reason=reason)


def _delete_targets(after: int, through: int) -> None:
    targets = EventTarget.objects.filter(event_id__gt=after, event_id__lte=through)
    targets._raw_delete(targets.db)


def _testify(seals: list[SealedRange], events: int, *, actor: Actor, reason: str) -> int:
    """Write the seal and the event of a removal, and return the number of removed events."""
    testimony = seal_removal(removed_through=seals[-1].number)
    record(
        kind=Kind.PURGED,
        actor=actor,
        reason=reason,
        count=events,
        data={
            "what": "events",
            "seals": [seals[0].number, seals[-1].number],
            "seal": testimony.number,
        },
    )
    return events


def _check(sealed: SealedRange, forged: list[Tampered]) -> None:
    """Check a seal and the events under it. Raises `Tampered`."""
    seal = Seal.objects.get(number=sealed.number)
    check_stretch(seal, key=_check_seal(seal, forged))


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
