"""Verify the trail against its seals."""

import hmac
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias

from django.db import connection
from django.db.models import CharField, F, Func, Q, QuerySet

from tokens.audit.canonical import read_lines
from tokens.audit.chain import (
    DERIVED,
    LINK_BYTES,
    SealingKey,
    Stretch,
    genesis,
    known_keys,
    seal_digest,
    sealed_out_of_turn,
    sealing_key,
    start_stretch,
    unpack_ids,
)
from tokens.audit.targets import LOWEST, MEMBER, differing_events, listed_above
from tokens.db.event_ids import last_id
from tokens.models import Event, Seal

What: TypeAlias = Literal["changed", "removed", "added", "unreadable", "targets", "seal"]
# Numbers of seals in one query.
PAGE = 1000
# Events that no seal covers, in one query.
UNSEALED = 10_000
# The canonical line of each event with targets contains this.
DECLARES = f'"{MEMBER}"'.encode()
# How many seals are tried at once in the search for the newest.
FEW = 20


class Tampered(Exception):
    """A difference between the trail and its seals.

    ``what`` is ``changed``, ``removed`` or ``added`` for an event, whose id is ``event`` if it is
    known, ``unreadable`` for one with a value that the portal never writes, ``targets`` if the
    list of sessions and users that the event ended differs, or names no event that can exist, or
    ``seal`` if the seal itself is wrong. ``seal`` is the number of the seal, or None for an event
    that no seal covers. ``last`` is the id of the last event if several that follow each other
    differ in the same way.
    """

    def __init__(
        self,
        what: What,
        *,
        seal: int | None,
        event: int | None = None,
        last: int | None = None,
        why: str = "",
    ) -> None:
        under = f"under seal {seal}" if seal is not None else "under no seal"
        several = last is not None and last != event
        if what == "seal":
            text = f"Seal {seal}: {why}." if seal is not None else f"A seal: {why}."
        elif what == "targets" and event is None:
            text = "A list of sessions was added to an event that cannot exist."
        elif what == "targets":
            text = f"The list of sessions that event {event} ({under}) ended was changed."
        elif event is None:
            text = f"An event {under} was {what}."
        elif what == "unreadable":
            those = f"Events {event} to {last}" if several else f"Event {event}"
            text = f"{those} ({under}) can't be read: the portal did not write this."
        elif several:
            text = f"The events {event} to {last} ({under}) were {what}."
        else:
            text = f"Event {event} ({under}) was {what}."
        super().__init__(text)
        self.what, self.seal, self.event = what, seal, event
        self.last = event if last is None else last

    @property
    def events(self) -> range:
        """Return the ids of the events that differ."""
        if self.event is None or self.last is None:
            return range(0)
        return range(self.event, self.last + 1)


def compare(
    *, start: int = 1, against: Mapping[int, str] | None = None
) -> Iterator[Seal | Tampered]:
    """Verify each seal from number ``start`` on, with the events under it.

    Yields each seal that verifies, and each difference in the order of the trail; forged
    testimonies of a removal come first. A seal that is missing or forged says nothing about the
    events under it, so those can't be named.

    ``against`` are digests by number, of seals that were kept elsewhere. Without one, newest
    seals that were removed together with their events go unnoticed. Raises `ValueError` if one of
    them is before ``start``: what is between them would not be compared.
    """
    keys = known_keys()
    kept = dict(against or {})
    if kept and min(kept) < start:
        raise ValueError(f"seal {min(kept)} was kept, but the comparison starts at seal {start}")
    yield from _check_impossible_ids()
    yield from _check_impossible_numbers()
    removed, forged = _check_testimonies(keys)
    yield from forged.values()
    chain = _Chain(keys)
    start, expected, through = max(1, start), 1, 0
    if (before := newest_seal(below=start)) is not None:
        chain.authenticate(before)
        expected = before.number + 1
    for number in numbers(from_number=start if start > 1 else None):
        if number < 1:
            if number not in forged:
                yield _added(number)
            continue
        found = forged.get(number) or _load(number)
        if number > expected:
            lost = any(expected <= one < number for one in kept)
            wrong = chain.check(found)
            if wrong is not None and number - expected > PAGE:
                # It doesn't prove that there were seals before it.
                yield from [wrong] if number not in forged else []
                continue
            if lost or wrong is not None or not chain.continues(found):
                yield from _missing(expected, number - 1)
                chain.interrupt()
            if lost:
                chain.lose_kept_seal()
        expected = number + 1
        seal = chain.take(found, kept=kept.pop(number, None))
        if isinstance(seal, Tampered):
            if number not in forged:
                yield seal
            continue
        differs, through = False, max(through, seal.through_id)
        for difference in _check_events(seal, keys[seal.key_id], removed=removed):
            differs = True
            yield difference
        if not differs:
            yield seal
    if kept and max(kept) >= expected:
        yield from _missing(expected, max(kept), why="it is missing: the end was cut off")
    yield from _check_unsealed(after=through)


def removed_through(keys: Mapping[str, SealingKey]) -> int:
    """Return the number of the last seal whose events retention removed, or 0."""
    removed, _forged = _check_testimonies(keys)
    return removed


def _check_testimonies(keys: Mapping[str, SealingKey]) -> tuple[int, dict[int, Tampered]]:
    """Return the number of the last seal whose events retention removed, and forged testimonies.

    Only a testimony that one of our keys made, and that follows its predecessor, counts.
    """
    removed, forged = 0, {}
    testimonies = _in_order().exclude(removed_through=None)
    for number in testimonies.values_list("number", flat=True):
        seal = _load(number) if number > 0 else _added(number)
        chain = _Chain(keys)
        if not isinstance(seal, Tampered):
            seal = chain.authenticate(seal) or seal
        if isinstance(seal, Tampered):
            forged[number] = seal
            continue
        before = newest_seal(below=number)
        if before is None or chain.authenticate(before) is not None:
            continue
        if seal.removed_through and chain.follow(seal) is None:
            removed = max(removed, min(seal.removed_through, number - 1))
    return removed, forged


def _added(number: int) -> Tampered:
    return Tampered("seal", seal=number, why="it was added: the first seal has number 1")


def _check_impossible_ids() -> Iterator[Tampered]:
    """Yield the events, and the lists of sessions, with ids that the portal has not given."""
    last = last_id()
    below = Event.objects.filter(pk__lt=1)
    above = Event.objects.filter(pk__gt=last)
    targets = [*differing_events(after=LOWEST - 1, through=0, declared={}), *listed_above(last)]
    events = [
        event
        for rows in (below, above)
        for event in rows.order_by("pk").values_list("pk", flat=True).iterator()
    ]
    # An event that was written since has an id that was given by now.
    last = last_id()
    given = range(1, last + 1)
    yield from _runs((("added", event) for event in events if event not in given), seal=None)
    for event in targets:
        if event not in given:
            yield Tampered("targets", seal=None, event=event)


def _check_unsealed(*, after: int) -> Iterator[Tampered]:
    """Yield the events that no seal covers yet, and that the portal can't read."""
    last = last_id()
    while True:
        lines = list(read_lines(after=after, through=last, limit=UNSEALED))
        unreadable = [event for event, at, _line in lines if at is None]
        yield from _runs((("unreadable", event) for event in unreadable), seal=None)
        if len(lines) < UNSEALED:
            return
        after = lines[-1][0]


def _in_order() -> "QuerySet[Seal]":
    """Return the seals whose number is one, in ascending order. SQLite stores any value."""
    return _by_type(numbered=True).order_by("number")


def _by_type(*, numbered: bool) -> "QuerySet[Seal]":
    if connection.vendor == "postgresql":
        return Seal.objects.all() if numbered else Seal.objects.none()
    stored = Func(F("number"), function="typeof", output_field=CharField())
    of_number = Q(stored="integer")
    return Seal.objects.alias(stored=stored).filter(of_number if numbered else ~of_number)


def _check_impossible_numbers() -> Iterator[Tampered]:
    """Yield each seal whose number is none."""
    for _ in range(_by_type(numbered=False).count()):
        yield Tampered("seal", seal=None, why="it was added, with a number that is none")


def numbers(*, from_number: int | None) -> Iterator[int]:
    """Yield the numbers of the seals in ascending order."""
    while True:
        seals = _in_order()
        if from_number is not None:
            seals = seals.filter(number__gte=from_number)
        page = list(seals.values_list("number", flat=True)[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        from_number = page[-1] + 1


def newest_seal(*, below: int | None = None) -> Seal | None:
    """Return the newest seal that one of our keys made, with a number lower than ``below``.

    A role that may insert rows can add seals that no key made. Once an audit key has sealed, the
    seals of signing keys do not count either: see `tokens.audit.chain.sealed_out_of_turn`.
    """
    keys = known_keys()
    of_signing_keys = {key.id for key in keys.values() if key.rank == DERIVED}
    return newest_seal_of(keys.keys() - of_signing_keys, below=below) or newest_seal_of(
        of_signing_keys, below=below
    )


def newest_seal_of(key_ids: Collection[str], *, below: int | None = None) -> Seal | None:
    """Return the newest seal that one of these keys made."""
    keys = known_keys()
    seals = _in_order().filter(key_id__in=key_ids, number__gte=1).order_by("-number")
    while True:
        rows = seals if below is None else seals.filter(number__lt=below)
        page = list(rows.values_list("number", flat=True)[:FEW])
        for below in page:
            seal = _load(below)
            if not isinstance(seal, Tampered) and _Chain(keys).check(seal) is None:
                return seal
        if len(page) < FEW:
            return None


def _load(number: int) -> Seal | Tampered:
    seal = Seal.objects.filter(number=number).first()
    return seal or Tampered("seal", seal=number, why="it is missing")


def _missing(first: int, last: int, *, why: str = "it is missing") -> Iterator[Tampered]:
    if last - first < PAGE:
        for number in range(first, last + 1):
            yield Tampered("seal", seal=number, why=why)
    else:
        yield Tampered("seal", seal=first, why=f"{why}, like all up to {last}")


def count_unsealed() -> int:
    """Count the events that no seal covers yet."""
    last = newest_seal()
    return Event.objects.filter(pk__gt=last.through_id if last else 0).count()


def _check_digest(seal: Seal, keys: Mapping[str, SealingKey]) -> SealingKey:
    """Check that one of our keys made the seal, and return the key."""
    key = keys.get(seal.key_id)
    if key is None:
        raise Tampered("seal", seal=seal.number, why="none of the known keys made it")
    # `compare_digest` takes no text with other characters than ASCII.
    if not hmac.compare_digest(seal_digest(seal, key=key).encode(), seal.digest.encode()):
        raise Tampered("seal", seal=seal.number, why="it was changed or forged")
    return key


def check_seal(seal: Seal, *, before: Seal | None, keys: Mapping[str, SealingKey]) -> SealingKey:
    """Check that the seal is authentic and follows ``before``, and return its key.

    Without ``before``, it must be the first seal. Raises `Tampered`.
    """
    key = _check_digest(seal, keys)
    previous = before.digest if before else genesis(key, version=seal.version)
    if seal.previous != previous:
        raise Tampered("seal", seal=seal.number, why="it does not follow the seal before it")
    if seal.after_id != (before.through_id if before else 0):
        raise Tampered("seal", seal=seal.number, why="it does not begin where the last one ended")
    before_key = keys.get(before.key_id) if before else None
    if before_key is not None and sealed_out_of_turn(key, after=before_key):
        raise Tampered(
            "seal", seal=seal.number, why="another key than the audit key of that time made it"
        )
    return key


@dataclass(slots=True)
class _Chain:
    """The seals that were read so far: each must follow the one before it.

    ``before`` is the last authentic one. After an interruption any authentic seal is accepted,
    also one that does not follow it.
    """

    keys: Mapping[str, SealingKey]
    before: Seal | None = None
    interrupted: bool = False
    newest_key: SealingKey | None = field(default=None, repr=False)

    def check(self, found: Seal | Tampered) -> Tampered | None:
        """Return what is wrong with ``found``, unless one of our keys made it."""
        if isinstance(found, Tampered):
            return found
        try:
            _check_digest(found, self.keys)
        except Tampered as wrong:
            return wrong
        return None

    def authenticate(self, seal: Seal) -> Tampered | None:
        """Take ``seal`` as the one that the next seal follows, if one of our keys made it."""
        if (wrong := self.check(seal)) is not None:
            self.interrupt()
            return wrong
        self.newest_key = self.keys[seal.key_id]
        self.before, self.interrupted = seal, False
        return None

    def continues(self, found: Seal | Tampered) -> bool:
        """Return whether ``found`` is authentic and names the last authentic seal before it.

        No seal was between them then, whatever their numbers are: a forged seal may have had one.
        """
        if isinstance(found, Tampered) or self.check(found) is not None:
            return False
        if self.before is not None:
            return bool(found.previous == self.before.digest)
        first = genesis(self.keys[found.key_id], version=found.version)
        return not self.interrupted and found.previous == first

    def interrupt(self) -> None:
        """Accept any predecessor of the next seal: this one is missing or wrong."""
        self.interrupted = True

    def lose_kept_seal(self) -> None:
        """Trust only the current key from here on: the seal that was kept is not in the trail.

        Which key made it is unknown. Without this, the holder of a signing key could replace it
        and go on with seals of that key.
        """
        self.interrupt()
        self.before, self.newest_key = None, sealing_key()

    def take(self, found: Seal | Tampered, *, kept: str | None) -> Seal | Tampered:
        """Check the next seal and return it, or what is wrong with it.

        ``kept`` is the digest of the seal that was kept elsewhere, or None.
        """
        if isinstance(found, Tampered):
            self.interrupt()
            wrong: Tampered | None = found
        else:
            wrong = self.follow(found)
            if wrong is None and kept not in (None, found.digest):
                why = "it differs from the seal that was kept"
                wrong = Tampered("seal", seal=found.number, why=why)
        if wrong is not None and kept is not None:
            self.lose_kept_seal()
        return wrong or found

    def follow(self, seal: Seal) -> Tampered | None:
        """Check the next seal, and return what is wrong with it."""
        if self.continues(seal):
            self.interrupted = False
        out_of_turn, interrupted, before = self.newest_key, self.interrupted, self.before
        if not interrupted:
            try:
                check_seal(seal, before=before, keys=self.keys)
            except Tampered as wrong:
                self.interrupt()
                return wrong
        if (forged := self.authenticate(seal)) is not None:
            return forged
        key = self.keys[seal.key_id]
        if interrupted and out_of_turn is not None and sealed_out_of_turn(key, after=out_of_turn):
            self.interrupt()
            self.before, self.newest_key = before, out_of_turn
            return Tampered(
                "seal", seal=seal.number, why="its key proves nothing after a lost or changed seal"
            )
        return None


def _check_events(seal: Seal, key: SealingKey, *, removed: int) -> Iterator[Tampered]:
    """Yield the differences of the events under an authentic seal."""
    if seal.removed_through is not None:
        return
    if seal.number <= removed:
        yield from _added_events(seal, after=seal.after_id)
        yield from _check_targets(seal, declaring=[], unproven=set())
        return
    limit = max(2 * seal.count, PAGE)
    declaring = []
    found = start_stretch(key=key, number=seal.number, previous=seal.previous, version=seal.version)
    for line in read_lines(after=seal.after_id, through=seal.through_id, limit=limit):
        found.add(line)
        if DECLARES in line[2]:
            declaring.append(line[0])
    unproven: set[int] = set()
    if found.tip.hex() != seal.tip or len(found.ids) != seal.count:
        for difference in _differences(seal, found):
            unproven.update(difference.events)
            yield difference
    unreadable = (event for event in found.unreadable if event not in unproven)
    yield from _runs((("unreadable", event) for event in unreadable), seal=seal.number)
    yield from _check_targets(seal, declaring=declaring, unproven=unproven)
    if len(found.ids) == limit:
        yield from _added_events(seal, after=found.ids[-1])


def _added_events(seal: Seal, *, after: int) -> Iterator[Tampered]:
    """Yield the events under ``seal`` with ids above ``after``: it covers none of them."""
    rest = Event.objects.filter(pk__gt=after, pk__lte=seal.through_id).order_by("pk")
    ids = rest.values_list("pk", flat=True).iterator()
    yield from _runs((("added", event) for event in ids), seal=seal.number)


def _check_targets(seal: Seal, *, declaring: list[int], unproven: set[int]) -> Iterator[Tampered]:
    """Yield the events under an authentic seal whose targets differ.

    ``declaring`` has the ids of the events that may declare targets. The events in ``unproven``
    differ themselves, so their targets prove nothing.
    """
    events = Event.objects.filter(pk__in=declaring).values_list("pk", "data").order_by("pk")
    declared = {
        event: data[MEMBER] for event, data in events if isinstance(data, dict) and MEMBER in data
    }
    after, through = seal.after_id, seal.through_id
    for event in differing_events(after=after, through=through, declared=declared):
        if event not in unproven:
            yield Tampered("targets", seal=seal.number, event=event)


def check_stretch(seal: Seal, *, key: SealingKey) -> None:
    """Check the events under an authentic seal. Raises `Tampered` at the first difference.

    An event that was unreadable when it was sealed is none: it is what was sealed.
    """
    for difference in _check_events(seal, key, removed=0):
        if difference.what != "unreadable":
            raise difference


def _differences(seal: Seal, found: Stretch) -> Iterator[Tampered]:
    try:
        ids = unpack_ids(bytes(seal.steps), after=seal.after_id)
    except (zlib.error, ValueError):
        yield Tampered("seal", seal=seal.number, why="it cannot be read")
        return
    packed = bytes(seal.links)
    links = [packed[at : at + LINK_BYTES] for at in range(0, len(packed), LINK_BYTES)]
    sealed = dict(zip(ids, links, strict=True))
    present = dict(zip(found.ids, found.links, strict=True))
    differences = list(_compare_links(sealed, present, version=seal.version))
    if not differences:
        # Eight bytes of a link are equal by chance; the tip is the proof.
        yield Tampered("changed", seal=seal.number)
    yield from _runs(differences, seal=seal.number)


def _compare_links(
    sealed: Mapping[int, bytes], present: Mapping[int, bytes], *, version: int
) -> Iterator[tuple[What, int]]:
    """Yield how the events differ, by id.

    In version 1 each link depends on all events before it, so after the first difference only
    ids can be compared.
    """
    comparable = True
    for event in sorted(sealed.keys() | present.keys()):
        if event not in present:
            yield "removed", event
        elif event not in sealed:
            yield "added", event
        elif comparable and sealed[event] != present[event]:
            yield "changed", event
        else:
            continue
        comparable = version > 1


def _runs(differences: Iterable[tuple[What, int]], *, seal: int | None) -> Iterator[Tampered]:
    """Join events that follow each other and differ in the same way."""
    for what, group in groupby(differences, key=lambda difference: difference[0]):
        first = last = None
        for _what, event in group:
            if last is not None and event != last + 1:
                yield Tampered(what, seal=seal, event=first, last=last)
                first = None
            first, last = event if first is None else first, event
        yield Tampered(what, seal=seal, event=first, last=last)
