"""Read the seals, of which only those that one of our keys made are trusted.

A role with rights on rows can add seals. They are read too, and count for nothing.
"""

import hmac
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import CharField, F, Func, Q, QuerySet

from tokens.audit.chain import (
    DERIVED,
    SealingKey,
    genesis,
    known_keys,
    seal_digest,
    sealed_out_of_turn,
    sealing_key,
)
from tokens.audit.tampered import Tampered
from tokens.models import Event, Seal

# Numbers of seals in one query.
PAGE = 1000
# Seals in one query. Each has up to half a megabyte.
FEW = 100


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
    chain = Chain(known_keys())
    seals = in_order().filter(key_id__in=key_ids, number__gte=1).order_by("-number")
    # Without a forgery, the first one is it.
    size = 1
    while True:
        page = list((seals if below is None else seals.filter(number__lt=below))[:size])
        for seal in page:
            if chain.check(seal) is None:
                return seal
        if len(page) < size:
            return None
        below, size = page[-1].number, FEW


def newest_after(last: Seal) -> Seal:
    """Return the newest seal that follows ``last``, or ``last`` if none does.

    This reads no seal that follows another one, however many a role has inserted.
    """
    chain = Chain(known_keys())
    chain.authenticate(last)
    while (following := _following(last, chain)) is not None:
        last = following
    return last


def _following(last: Seal, chain: "Chain") -> Seal | None:
    for seal in in_pages(in_order().filter(previous=last.digest), from_number=last.number + 1):
        if chain.follow(seal) is None:
            return seal
    return None


def count_unsealed(*, after: Seal | None, most: int | None = None) -> int:
    """Count the events, ``most`` at most, that no seal up to ``after``, the newest one, covers."""
    return Event.objects.filter(pk__gt=after.through_id if after else 0)[:most].count()


def numbers(*, from_number: int | None) -> Iterator[int]:
    """Yield the numbers of the seals in ascending order."""
    while True:
        seals = in_order()
        if from_number is not None:
            seals = seals.filter(number__gte=from_number)
        page = list(seals.values_list("number", flat=True)[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        from_number = page[-1] + 1


def in_order() -> "QuerySet[Seal]":
    """Return the seals whose number is one, in ascending order. SQLite stores any value."""
    return by_type(numbered=True).order_by("number")


def by_type(*, numbered: bool) -> "QuerySet[Seal]":
    if connection.vendor == "postgresql":
        return Seal.objects.all() if numbered else Seal.objects.none()
    stored = Func(F("number"), function="typeof", output_field=CharField())
    of_number = Q(stored="integer")
    return Seal.objects.alias(stored=stored).filter(of_number if numbered else ~of_number)


def in_pages(seals: "QuerySet[Seal]", *, from_number: int | None = None) -> Iterator[Seal]:
    """Yield ``seals``, which are in ascending order, a few with each query."""
    while True:
        rest = seals if from_number is None else seals.filter(number__gte=from_number)
        page = list(rest[:FEW])
        yield from page
        if len(page) < FEW:
            return
        from_number = page[-1].number + 1


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


def _check_digest(seal: Seal, keys: Mapping[str, SealingKey]) -> SealingKey:
    """Check that one of our keys made the seal, and return the key."""
    key = keys.get(seal.key_id)
    if key is None:
        raise Tampered("seal", seal=seal.number, why="none of the known keys made it")
    # `compare_digest` takes no text with other characters than ASCII.
    if not hmac.compare_digest(seal_digest(seal, key=key).encode(), seal.digest.encode()):
        raise Tampered("seal", seal=seal.number, why="it was changed or forged")
    return key


@dataclass(slots=True)
class Chain:
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
