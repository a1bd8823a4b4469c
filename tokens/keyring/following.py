"""Keep the ring of a process equal to the one in the database.

A process reads the ring again with the first call after `READ_AGAIN_SECONDS`, so a bearer call
rarely costs a statement for it. A token that names an unknown key makes it read at once, but only
`UNKNOWN_PER_MINUTE` times: anyone can write such a token.
"""

import logging
import threading
from collections.abc import Iterable
from time import monotonic

from django.core.signals import setting_changed
from django.db import Error

from tokens.audit.refusals import Budget
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import Key, KeyRing, make_key
from tokens.keyring.protection import NotAuthentic, reveal
from tokens.models import Event, Kind, SigningKey
from tokens.models.signing_key import KeyState

logger = logging.getLogger(__name__)
# Every process follows the database within `FOLLOW_SECONDS`. From `WAIT_AFTER_SECONDS` on, a call
# waits for the thread that reads.
READ_AGAIN_SECONDS, WAIT_AFTER_SECONDS, FOLLOW_SECONDS = 2.0, 4.0, 5.0
UNKNOWN_PER_MINUTE = 60


class DatabaseRing:
    """Hold the ring of one process, for all of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.unknown = Budget(together=UNKNOWN_PER_MINUTE)
        self.forget()

    def forget(self) -> None:
        """Know nothing, so that the next call reads."""
        self._ring: KeyRing | None = None
        self._read_at = 0.0
        # The rows of the ring as they were read, with the keys that were made of them.
        self._known: dict[str, tuple[tuple[object, ...], Key | None]] = {}

    def ring(self) -> KeyRing:
        """Return the ring as it was in the database at most `FOLLOW_SECONDS` ago.

        If the database fails, the ring stays the one that is known. Raises the database's error if
        none is.
        """
        ring, age = self._ring, monotonic() - self._read_at
        if ring is not None and age < WAIT_AFTER_SECONDS:
            # While one thread reads, the others go on with the ring that is known.
            if age < READ_AGAIN_SECONDS or not self._lock.acquire(blocking=False):
                return ring
        else:
            self._lock.acquire()
        try:
            if self._ring is not None and monotonic() - self._read_at < READ_AGAIN_SECONDS:
                return self._ring
            return self._read()
        finally:
            self._lock.release()

    def ring_with(self, _kid: str) -> KeyRing:
        """Return the ring, which is read at once because a token names a key that it lacks."""
        if not self.unknown.spend({}):
            return self.ring()
        with self._lock:
            return self._read()

    def _read(self) -> KeyRing:
        asked = monotonic()
        try:
            rows = list(SigningKey.objects.order_by("pk"))
            ring = self._load(rows)
        except Error as error:
            if self._ring is None:
                raise
            logger.error("signing keys can't be read: %s", type(error).__name__)
            ring = self._ring
        self._ring, self._read_at = ring, asked
        return ring

    def _load(self, rows: Iterable[SigningKey]) -> KeyRing:
        """Make a ring of the rows that are authentic."""
        columns = {row.kid: tuple(columns_of(row)) for row in rows}
        known = {
            kid: self._known[kid]
            for kid, now in columns.items()
            if kid in self._known and self._known[kid][0] == now
        }
        if new := [row for row in rows if row.kid not in known]:
            over = retired_in_trail()
            for row in new:
                known[row.kid] = (columns[row.kid], _load_key(row, over))
        self._known = known
        return make_ring(rows, {kid: key for kid, (_columns, key) in known.items()})


def columns_of(row: SigningKey) -> Iterable[object]:
    """Return the values of a row, which tell whether it has changed."""
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        yield bytes(value) if field.name == "protected" else value


def make_ring(rows: Iterable[SigningKey], keys: dict[str, Key | None]) -> KeyRing:
    """Make the ring of the rows that have a key. The one that signs comes first."""
    usable = [(row, key) for row in rows if (key := keys[row.kid]) is not None]
    signing = [key for row, key in usable if row.state == KeyState.SIGNING]
    by_kid = {key.kid: key for key in (*signing, *(key for _row, key in usable))}
    retired = {row.kid for row in rows if row.state == KeyState.RETIRED}
    return KeyRing(
        signing=signing[0] if signing else None,
        by_kid=by_kid,
        retired=frozenset(retired - by_kid.keys()),
        unusable=frozenset({row.kid for row in rows} - retired - by_kid.keys()),
    )


def _load_key(row: SigningKey, retired: frozenset[str]) -> Key | None:
    """Return the key of a row; None if it is retired, or if the row is not authentic."""
    if row.state == KeyState.RETIRED:
        return None
    try:
        return key_of(row, retired)
    except (NotAuthentic, ValueError) as error:
        logger.error("signing key %s is ignored: %s", row.kid, error)
        return None


def key_of(row: SigningKey, retired: frozenset[str]) -> Key:
    """Return the key of a row, unless it is among ``retired``, those of the trail.

    Raises `NotAuthentic`, and ValueError for a key of no use.
    """
    if row.kid in retired:
        raise NotAuthentic(f"The audit trail says that the key {row.kid} was retired.")
    material = reveal(row)
    if row.algorithm not in ALGORITHMS:
        raise ValueError(f"The portal does not sign with {row.algorithm!r}")
    key = make_key(material=material, algorithm=ALGORITHMS[row.algorithm])
    if key.kid != row.kid:
        raise ValueError(f"The key is not {row.kid!r}")
    return key


def retired_in_trail() -> frozenset[str]:
    """Return the keys of the ring that the trail says were retired.

    A role that may write the table could put back an earlier row, which is authentic. The trail
    can't be changed without a trace.
    """
    events = Event.objects.filter(kind=Kind.KEY_RETIRED).values_list("data", flat=True)
    return frozenset(str(data.get("kid")) for data in events if data.get("ring"))


database_ring = DatabaseRing()


def _forget_ring(*, setting: str, **_: object) -> None:
    if setting.startswith("SIGNING_KEYS"):
        database_ring.forget()
        database_ring.unknown.reset()


setting_changed.connect(_forget_ring)
