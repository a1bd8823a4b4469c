"""Seal the events that were written since the newest seal."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction

from tokens.audit.canonical import EPOCH, read_lines
from tokens.audit.chain import (
    VERSION,
    SealingKey,
    Stretch,
    genesis,
    known_keys,
    pack_ids,
    seal_digest,
    sealed_out_of_turn,
    sealing_key,
    start_stretch,
)
from tokens.audit.trusted_seals import newest_after, newest_seal, newest_seal_of, numbers
from tokens.audit.watermark import high_water_mark
from tokens.db import clock
from tokens.models import Seal

# Events under one seal. Verifying holds the ids and links of one stretch in memory.
STRETCH = 10_000
# Seconds to wait for another process that seals.
LOCK_WAIT = 30
# The lock was not to be had in time (PostgreSQL).
LOCK_NOT_AVAILABLE = "55P03"


class ReplacedKey(Exception):
    """The current key has been replaced by another one, and can't seal again."""


class SealsLocked(Exception):
    """Another transaction keeps the table of seals locked."""


def seal_events(*, last: Seal | None, wait: float = 30.0, size: int = STRETCH) -> Iterator[Seal]:
    """Seal all events below the high-water mark, ``size`` events at a time.

    ``last`` is the newest seal that our keys made, which the next one follows. A forged seal stops
    nothing: its number is left to it.

    Each seal commits before it is yielded, so an interruption loses none. Raises
    `tokens.audit.watermark.StillWriting`, `SealsLocked` and `ReplacedKey`.
    """
    through = high_water_mark(wait=wait)
    while (seal := _seal_next(last, through=through, size=size)) is not None:
        yield seal
        last = seal


def lock_seals() -> None:
    """Keep other processes from adding a seal until the transaction ends. Raises `SealsLocked`.

    A role needs rights on the table for this lock, unlike for an advisory one. SQLite needs no
    lock: it has one writer.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_WAIT}s"])
        try:
            cursor.execute(f"LOCK TABLE {Seal._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise SealsLocked("another transaction keeps the seals locked") from error


@transaction.atomic(durable=True)
def _seal_next(last: Seal | None, *, through: int, size: int) -> Seal | None:
    lock_seals()
    # Another process may have sealed since.
    last = newest_after(last) if last else newest_seal()
    after = last.through_id if last else 0
    number = _free_number(last)
    key = _key_in_turn(last)
    previous = last.digest if last else genesis(key)
    stretch = start_stretch(key=key, number=number, previous=previous)
    for line in read_lines(after=after, through=through, limit=size):
        stretch.add(line)
    if not stretch.ids:
        return None
    # A full stretch ends at its last event. The last stretch ends at the high-water mark, so
    # that an unused id below it can't be used later.
    end = stretch.ids[-1] if len(stretch.ids) == size else through
    return _write(stretch, key=key, previous=previous, number=number, after=after, through=end)


def _free_number(last: Seal | None) -> int:
    """Return the lowest number after ``last`` that no seal has. A forged seal may have the next."""
    number = last.number + 1 if last else 1
    for taken in numbers(from_number=number):
        if taken > number:
            break
        number += 1
    return number


def _key_in_turn(last: Seal | None) -> SealingKey:
    """Return the current key, or raise `ReplacedKey` if it may not seal after ``last``.

    A seal out of turn would make `verify_events` report an unchanged trail.
    """
    key = sealing_key()
    before = known_keys().get(last.key_id) if last else None
    if before is not None and before.id != key.id:
        returned = key.rank and newest_seal_of([key.id]) is not None
        if returned or sealed_out_of_turn(key, after=before):
            raise ReplacedKey(
                "AUDIT_KEY is empty or was replaced by another key, which has sealed since. Set "
                "AUDIT_KEY to the key of the newest seal or to a new one."
            )
    return key


def _write(
    stretch: Stretch,
    *,
    key: SealingKey,
    previous: str,
    number: int,
    after: int,
    through: int,
    removed_through: int | None = None,
) -> Seal:
    readable = len(stretch.ids) > len(stretch.unreadable)
    seal = Seal(
        number=number,
        version=VERSION,
        key_id=key.id,
        after_id=after,
        through_id=through,
        count=len(stretch.ids),
        first_at=_from_micros(stretch.first_at) if readable else None,
        last_at=_from_micros(stretch.last_at) if readable else None,
        steps=pack_ids(stretch.ids, after=after),
        links=b"".join(stretch.links),
        tip=stretch.tip.hex(),
        previous=previous,
        sealed_at=clock.now(),
        removed_through=removed_through,
    )
    seal.digest = seal_digest(seal, key=key)
    seal.save(force_insert=True)
    return seal


def seal_removal(*, removed_through: int) -> Seal:
    """Add a seal which testifies that retention removed the events of earlier seals.

    ``removed_through`` is the number of the last of those seals. The caller holds `lock_seals`.
    """
    last = newest_seal()
    if last is None:
        raise LookupError("nothing has been sealed")
    number = _free_number(last)
    key = _key_in_turn(last)
    return _write(
        start_stretch(key=key, number=number, previous=last.digest),
        key=key,
        previous=last.digest,
        number=number,
        after=last.through_id,
        through=last.through_id,
        removed_through=removed_through,
    )


def _from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
