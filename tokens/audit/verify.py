"""Verify the trail against its seals."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from tokens.audit.canonical import read_lines, respell
from tokens.audit.chain import (
    LINK_BYTES,
    SealingKey,
    Stretch,
    known_keys,
    start_stretch,
    unpack_ids,
)
from tokens.audit.tampered import Tampered, What
from tokens.audit.targets import LOWEST, MEMBER, differing_events, listed_above
from tokens.audit.trusted_seals import (
    PAGE,
    Chain,
    by_type,
    in_order,
    in_pages,
    newest_seal,
)
from tokens.db.event_ids import last_id
from tokens.models import Event, Seal

# Events that no seal covers, in one query.
UNSEALED = 10_000
# The canonical line of each event with targets contains this.
DECLARES = f'"{MEMBER}"'.encode()


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
    chain = Chain(keys)
    start, expected, through = max(1, start), 1, 0
    if (before := newest_seal(below=start)) is not None:
        chain.authenticate(before)
        expected = before.number + 1
    for stored in in_pages(in_order(), from_number=start if start > 1 else None):
        number = stored.number
        if number < 1:
            if number not in forged:
                yield _added(number)
            continue
        found = forged.get(number) or stored
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
    for seal in in_pages(in_order().exclude(removed_through=None)):
        number, chain = seal.number, Chain(keys)
        wrong = _added(number) if number < 1 else chain.authenticate(seal)
        if wrong is not None:
            forged[number] = wrong
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
        # Without the lines, of which each may be long.
        lines = read_lines(after=after, through=last, limit=UNSEALED)
        events = [(event, at is not None) for event, at, _line in lines]
        unreadable = (event for event, readable in events if not readable)
        yield from _runs((("unreadable", event) for event in unreadable), seal=None)
        if len(events) < UNSEALED:
            return
        after = events[-1][0]


def _check_impossible_numbers() -> Iterator[Tampered]:
    """Yield each seal whose number is none."""
    for _ in range(by_type(numbered=False).count()):
        yield Tampered("seal", seal=None, why="it was added, with a number that is none")


def _missing(first: int, last: int, *, why: str = "it is missing") -> Iterator[Tampered]:
    if last - first < PAGE:
        for number in range(first, last + 1):
            yield Tampered("seal", seal=number, why=why)
    else:
        yield Tampered("seal", seal=first, why=f"{why}, like all up to {last}")


def _check_events(seal: Seal, key: SealingKey, *, removed: int) -> Iterator[Tampered]:
    """Yield the differences of the events under an authentic seal."""
    if seal.removed_through is not None:
        return
    if seal.number <= removed:
        yield from _added_events(seal, after=seal.after_id)
        yield from _check_targets(seal, declaring=[], unproven=set())
        return
    limit = max(2 * seal.count, PAGE)
    found, declaring = _read_stretch(seal, key, limit=limit)
    unproven: set[int] = set()
    if not _matches(seal, found):
        for difference in _fewer_differences(seal, key, found, limit=limit):
            unproven.update(difference.events)
            yield difference
    unreadable = (event for event in found.unreadable if event not in unproven)
    yield from _runs((("unreadable", event) for event in unreadable), seal=seal.number)
    yield from _check_targets(seal, declaring=declaring, unproven=unproven)
    if len(found.ids) == limit:
        yield from _added_events(seal, after=found.ids[-1])


def _read_stretch(
    seal: Seal, key: SealingKey, *, limit: int, respelled: bool = False
) -> tuple[Stretch, list[int]]:
    """Return the chain over the events under ``seal``, and which may declare targets."""
    declaring = []
    found = start_stretch(key=key, number=seal.number, previous=seal.previous, version=seal.version)
    for line in read_lines(after=seal.after_id, through=seal.through_id, limit=limit):
        found.add(respell(line) if respelled else line)
        if DECLARES in line[2]:
            declaring.append(line[0])
    return found, declaring


def _matches(seal: Seal, found: Stretch) -> bool:
    return bool(found.tip.hex() == seal.tip and len(found.ids) == seal.count)


def _fewer_differences(
    seal: Seal, key: SealingKey, found: Stretch, *, limit: int
) -> list[Tampered]:
    """Return how the events differ; none if the trail was moved after the other database sealed it.

    If an event of a moved trail was changed, only the spelling that was sealed tells which.
    """
    other, _declaring = _read_stretch(seal, key, limit=limit, respelled=True)
    if _matches(seal, other):
        return []
    both = (list(_differences(seal, one)) for one in (found, other))
    return min(both, key=lambda one: sum(len(difference.events) for difference in one))


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
