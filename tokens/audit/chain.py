"""Compute the chain of seals.

A seal closes a stretch of events. The stretch starts with an HMAC over the number of the seal and
the digest of the previous seal. The link of an event is SHA-256 over that start and the canonical
line of the event, which contains its id. The tip is SHA-256 over the previous tip and the link. The
digest of a seal is an HMAC-SHA256 over all of its columns. The first seal follows a genesis
digest, which is an HMAC too.

Seals of version 1 verify as before: their links are the tips, and their first seal follows
`NO_DIGEST`. With such links only the first change in a stretch can be named.

Without the key, write access to the database is not enough to compute a link or a digest.
Removing the newest seals together with their events leaves a valid chain: a seal that was kept
elsewhere reveals that.
"""

import hashlib
import hmac
import json
import sys
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tokens.audit.canonical import CanonicalLine, to_micros
from tokens.conf import app_settings
from tokens.models import Seal

VERSION = 2
# How much of each link a seal keeps, to name the first event that differs.
LINK_BYTES = 8
# The previous digest of the first seal in version 1.
NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key for seals. Seals name it by ``id``, which reveals nothing about ``secret``.

    ``rank`` says where in the chain the key may seal: see `sealed_out_of_turn`.
    """

    id: str
    secret: bytes = field(repr=False)
    rank: int


# Derived from a signing key, a retired audit key, and AUDIT_KEY.
DERIVED, RETIRED, CURRENT = 0, 1, 2


def _derive(material: str, rank: int) -> SealingKey:
    """Derive a key for seals only: it can't be used to sign a token."""
    secret = hmac.digest(material.encode(errors="surrogateescape"), b"tokens.audit.seal", "sha256")
    return SealingKey(hmac.digest(secret, b"id", "sha256").hex()[:16], secret, rank)


def sealing_key() -> SealingKey:
    """Return the current key: from AUDIT_KEY, or from JWT_SIGNING_KEY if that is empty."""
    if app_settings.AUDIT_KEY:
        return _derive(app_settings.AUDIT_KEY, CURRENT)
    return _derive(app_settings.JWT_SIGNING_KEY, DERIVED)


def known_keys() -> dict[str, SealingKey]:
    """Return the current and the retired keys, by id."""
    retired, signing = app_settings.AUDIT_RETIRED_KEYS, app_settings.JWT_RETIRED_KEYS
    materials = {
        DERIVED: (app_settings.JWT_SIGNING_KEY, *signing, *_pem_spellings(signing)),
        RETIRED: (*retired, *_pem_spellings(retired)),
        CURRENT: (app_settings.AUDIT_KEY,),
    }
    # A key in two settings has the higher rank.
    keys = [_derive(text, rank) for rank, texts in materials.items() for text in texts if text]
    return {key.id: key for key in keys}


def sealed_out_of_turn(key: SealingKey, *, after: SealingKey) -> bool:
    """Return True if a seal of ``key`` may not follow a seal of the key ``after``.

    A signing key never seals once an audit key has sealed, and no other key seals once AUDIT_KEY
    has. Otherwise the holder of a signing key or of a replaced audit key could extend the chain.
    """
    return key.rank < after.rank


def _pem_spellings(retired: Iterable[str]) -> Iterable[str]:
    """Yield each retired PEM key as JWT_SIGNING_KEY held it: on several lines.

    The settings of retired keys hold each key on one line, which derives another sealing key.
    """
    for text in retired:
        if "\\n" in text:
            pem = text.replace("\\n", "\n")
            yield from (pem, f"{pem}\n")


@dataclass(slots=True)
class Stretch:
    """The chain over the events of one stretch, as far as they have been added.

    The times are those of the readable events.
    """

    start: bytes
    version: int = VERSION
    tip: bytes = b""
    ids: list[int] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    first_at: int = sys.maxsize
    last_at: int = -sys.maxsize

    def __post_init__(self) -> None:
        self.tip = self.start

    def add(self, line: CanonicalLine) -> None:
        """Extend the chain by one event."""
        event_id, at, text = line
        if self.version == 1:
            link = self.tip = hashlib.sha256(self.tip + text).digest()
        else:
            link = hashlib.sha256(self.start + text).digest()
            self.tip = hashlib.sha256(self.tip + link).digest()
        self.ids.append(event_id)
        self.links.append(link[:LINK_BYTES])
        if at is None:
            self.unreadable.append(event_id)
            return
        if at < self.first_at:
            self.first_at = at
        if at > self.last_at:
            self.last_at = at


def genesis(key: SealingKey, *, version: int = VERSION) -> str:
    """Return the digest that the first seal follows. Only the holder of the key can compute it."""
    if version == 1:
        return NO_DIGEST
    return hmac.digest(key.secret, b"genesis", "sha256").hex()


def start_stretch(
    *, key: SealingKey, number: int, previous: str, version: int = VERSION
) -> Stretch:
    """Start the chain of seal ``number``, which follows the seal with the digest ``previous``."""
    start = hmac.digest(key.secret, f"stretch {number} {previous}".encode(), "sha256")
    return Stretch(start, version)


def pack_ids(ids: Iterable[int], *, after: int) -> bytes:
    """Compress ascending ids as the differences between them, the first to ``after``."""
    steps = array("Q")
    for event_id in ids:
        steps.append(event_id - after)
        after = event_id
    if sys.byteorder == "big":
        steps.byteswap()
    return zlib.compress(steps.tobytes(), 1)


def unpack_ids(packed: bytes, *, after: int) -> list[int]:
    """Reverse `pack_ids`. Raises `zlib.error` or `ValueError` for other bytes."""
    steps = array("Q")
    steps.frombytes(zlib.decompress(packed))
    if sys.byteorder == "big":
        steps.byteswap()
    ids = []
    for step in steps:
        after += step
        ids.append(after)
    return ids


def seal_digest(seal: Seal, *, key: SealingKey) -> str:
    """Compute the digest of a seal: an HMAC over all of its columns."""
    columns: dict[str, int | str | None] = {
        "number": seal.number,
        "version": seal.version,
        "key_id": seal.key_id,
        "after_id": seal.after_id,
        "through_id": seal.through_id,
        "count": seal.count,
        "first_at": _micros_or_none(seal.first_at),
        "last_at": _micros_or_none(seal.last_at),
        "steps": hashlib.sha256(bytes(seal.steps)).hexdigest(),
        "links": hashlib.sha256(bytes(seal.links)).hexdigest(),
        "tip": seal.tip,
        "previous": seal.previous,
        "sealed_at": to_micros(seal.sealed_at),
        "removed_through": seal.removed_through,
    }
    text = json.dumps(columns, sort_keys=True)
    return hmac.new(key.secret, text.encode(), "sha256").hexdigest()


def _micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
