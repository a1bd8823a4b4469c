"""Sealing: closing what has been written since the last seal."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from tokens.audit.chain import NOTHING, VERSION, Stretch, begin, digest_of, pack_ids, sealing_key
from tokens.audit.settled import settled_id
from tokens.audit.text import EPOCH, lines
from tokens.models import Seal

# Events to a seal: what is read again, and held in memory, to find the first that differs.
STRETCH = 10_000
# Any number; it names this lock among the advisory locks of the database.
LOCK = 0x746F6B656E73


def seal_events(*, wait: float = 30.0, size: int = STRETCH) -> Iterator[Seal]:
    """Close all that is settled, one seal after another; each commits on its own, so that an
    interruption loses nothing. Raises `tokens.audit.settled.StillWriting`."""
    through = settled_id(wait=wait)
    while (seal := _seal_next(through, size)) is not None:
        yield seal


def hold_seals() -> None:
    """Nobody else makes a seal until this transaction ends. (SQLite has one writer anyway.)"""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def newest_seal() -> Seal | None:
    return Seal.objects.order_by("-number").defer("steps", "links").first()


def _seal_next(through: int, size: int) -> Seal | None:
    with transaction.atomic():
        hold_seals()
        last = newest_seal()
        after = last.through_id if last else 0
        number = last.number + 1 if last else 1
        previous = last.digest if last else NOTHING
        stretch = begin(key=sealing_key(), number=number, previous=previous)
        for line in lines(after=after, through=through, limit=size):
            stretch.add(line)
        if not stretch.ids:
            return None
        # A full stretch ends at its last event; the last one reaches to where the trail is
        # settled, so that an id nobody used cannot be used later.
        end = stretch.ids[-1] if len(stretch.ids) == size else through
        return _write(last, stretch, number=number, after=after, through=end)


def _write(
    last: Seal | None,
    stretch: Stretch,
    *,
    number: int,
    after: int,
    through: int,
    removed_through: int | None = None,
) -> Seal:
    key = sealing_key()
    some = bool(stretch.ids)
    seal = Seal(
        number=number,
        version=VERSION,
        key_id=key.id,
        after_id=after,
        through_id=through,
        count=len(stretch.ids),
        first_at=_instant(stretch.first_at) if some else None,
        last_at=_instant(stretch.last_at) if some else None,
        steps=pack_ids(stretch.ids, after=after),
        links=b"".join(stretch.links),
        tip=stretch.tip.hex(),
        previous=last.digest if last else NOTHING,
        sealed_at=timezone.now(),
        removed_through=removed_through,
    )
    seal.digest = digest_of(seal, key=key)
    seal.save(force_insert=True)
    return seal


def seal_removal(*, removed_through: int) -> Seal:
    """Testify that the events of all seals up to ``removed_through`` were removed by us."""
    last = newest_seal()
    if last is None:
        raise LookupError("nothing has been sealed")
    number = last.number + 1
    stretch = begin(key=sealing_key(), number=number, previous=last.digest)
    return _write(
        last,
        stretch,
        number=number,
        after=last.through_id,
        through=last.through_id,
        removed_through=removed_through,
    )


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
