"""Verifying: is the trail what it was when it was sealed?"""

import hmac
import zlib
from collections.abc import Iterator, Mapping

from django.db.models import Max

from tokens.audit.chain import (
    LINK_BYTES,
    NOTHING,
    SealingKey,
    Stretch,
    begin,
    digest_of,
    known_keys,
    unpack_ids,
)
from tokens.audit.text import lines
from tokens.models import Event, Seal


class Tampered(Exception):
    """The first thing that is not as it was. ``what`` is ``changed``, ``removed`` or ``added``
    (an event), or ``seal``; ``event`` is its id where it is known."""

    def __init__(self, what: str, *, seal: int, event: int | None = None, why: str = "") -> None:
        if what == "seal":
            text = f"Seal {seal}: {why}."
        elif event is None:
            text = f"An event under seal {seal} was {what}."
        else:
            text = f"Event {event} (under seal {seal}) was {what}."
        super().__init__(text)
        self.what, self.seal, self.event = what, seal, event


def verify_events(*, start: int = 1, against: Mapping[int, str] | None = None) -> Iterator[Seal]:
    """Each seal from number ``start`` on that holds, with the events under it. Raises
    `Tampered` at the first thing that is wrong. ``against`` are digests by number that were
    kept elsewhere: without one, nobody can tell that the newest seals were cut off."""
    kept = dict(against or {})
    removed = Seal.objects.aggregate(last=Max("removed_through"))["last"] or 0
    keys = known_keys()
    before = _seal_before(start, keys)
    number = start
    while (seal := Seal.objects.filter(number__gte=number).order_by("number").first()) is not None:
        if seal.number != number:
            raise Tampered("seal", seal=number, why="it is missing")
        key = check_seal(seal, before, keys)
        if (digest := kept.pop(number, None)) is not None and digest != seal.digest:
            raise Tampered("seal", seal=number, why="it is not the one that was kept elsewhere")
        if seal.removed_through is None:
            if number <= removed:
                _must_be_gone(seal)
            else:
                check_stretch(seal, key=key)
        yield seal
        before, number = seal, number + 1
    for missing in sorted(kept):
        if missing >= number:
            raise Tampered("seal", seal=missing, why="it is missing: the end was cut off")


def unsealed() -> int:
    """How many events no seal covers yet."""
    last = Seal.objects.aggregate(through=Max("through_id"))["through"] or 0
    return Event.objects.filter(pk__gt=last).count()


def _seal_before(start: int, keys: Mapping[str, SealingKey]) -> Seal | None:
    if start <= 1:
        return None
    before = Seal.objects.filter(number=start - 1).first()
    if before is None:
        raise Tampered("seal", seal=start - 1, why="it is missing")
    _authentic(before, keys)
    return before


def _authentic(seal: Seal, keys: Mapping[str, SealingKey]) -> SealingKey:
    key = keys.get(seal.key_id)
    if key is None:
        raise Tampered("seal", seal=seal.number, why="none of our keys made it")
    if not hmac.compare_digest(digest_of(seal, key=key), seal.digest):
        raise Tampered("seal", seal=seal.number, why="it was changed or forged")
    return key


def check_seal(seal: Seal, before: Seal | None, keys: Mapping[str, SealingKey]) -> SealingKey:
    """That the seal is ours and follows ``before``; the key that it was made with."""
    key = _authentic(seal, keys)
    if seal.previous != (before.digest if before else NOTHING):
        raise Tampered("seal", seal=seal.number, why="it does not follow the seal before it")
    if seal.after_id != (before.through_id if before else 0):
        raise Tampered("seal", seal=seal.number, why="it does not begin where the last one ended")
    return key


def check_stretch(seal: Seal, *, key: SealingKey) -> None:
    """That the events under an authentic seal are what they were."""
    found = begin(key=key, number=seal.number, previous=seal.previous)
    for line in lines(after=seal.after_id, through=seal.through_id, limit=seal.count + 1):
        found.add(line)
    if found.tip.hex() != seal.tip or len(found.ids) != seal.count:
        raise _first_difference(seal, found)


def _first_difference(seal: Seal, found: Stretch) -> Tampered:
    try:
        ids = unpack_ids(bytes(seal.steps), after=seal.after_id)
    except (zlib.error, ValueError):
        return Tampered("seal", seal=seal.number, why="it cannot be read")
    packed = bytes(seal.links)
    links = [packed[at : at + LINK_BYTES] for at in range(0, len(packed), LINK_BYTES)]
    for (event, link), (was, was_link) in zip(
        zip(found.ids, found.links, strict=True), zip(ids, links, strict=True), strict=False
    ):
        if event != was:
            what = "added" if event < was else "removed"
            return Tampered(what, seal=seal.number, event=min(event, was))
        if link != was_link:
            return Tampered("changed", seal=seal.number, event=event)
    if len(found.ids) > len(ids):
        return Tampered("added", seal=seal.number, event=found.ids[len(ids)])
    if len(found.ids) < len(ids):
        return Tampered("removed", seal=seal.number, event=ids[len(found.ids)])
    return Tampered("changed", seal=seal.number)


def _must_be_gone(seal: Seal) -> None:
    rest = Event.objects.filter(pk__gt=seal.after_id, pk__lte=seal.through_id).order_by("pk")
    if (event := rest.values_list("pk", flat=True).first()) is not None:
        raise Tampered("added", seal=seal.number, event=event)
