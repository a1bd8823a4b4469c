"""The chain of seals: how a stretch of events becomes one digest that cannot be forged.

Inside a stretch each link is SHA-256 over the link before it and the event's line. The first
link comes from the key and the seal before, and the last, with everything else that the seal
says, goes through HMAC-SHA256. Somebody who can write the database but has not the key can
therefore make neither a link nor a seal; somebody who removes the newest seals together with
their events is found by a seal that was kept elsewhere.
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
from typing import Any

from django.conf import settings

from tokens.audit.text import EPOCH, Line
from tokens.models import Seal

VERSION = 1
LINK_BYTES = 8
NOTHING = "0" * 64


@dataclass(frozen=True, slots=True)
class SealingKey:
    id: str
    secret: bytes = field(repr=False)


def _derive(material: str) -> SealingKey:
    """A key for this one purpose: knowing it does not let anybody sign a token."""
    secret = hmac.digest(material.encode(), b"tokens.audit.seal", "sha256")
    return SealingKey(hmac.digest(secret, b"id", "sha256").hex()[:16], secret)


def sealing_key() -> SealingKey:
    """From AUDIT_KEY; without one, from JWT_SIGNING_KEY."""
    return _derive(settings.AUDIT_KEY or settings.JWT_SIGNING_KEY)


def known_keys() -> dict[str, SealingKey]:
    """Every key that a seal may have been made with, by id."""
    materials = (
        settings.AUDIT_KEY, settings.JWT_SIGNING_KEY,
        *settings.AUDIT_RETIRED_KEYS, *settings.JWT_RETIRED_KEYS,
    )  # fmt: skip
    return {key.id: key for key in map(_derive, filter(None, materials))}


@dataclass(slots=True)
class Stretch:
    """The chain over one stretch, as far as it has been read."""

    tip: bytes
    ids: list[int] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    first_at: int = sys.maxsize
    last_at: int = -sys.maxsize

    def add(self, line: Line) -> bytes:
        number, at, text = line
        self.tip = hashlib.sha256(self.tip + text).digest()
        link = self.tip[:LINK_BYTES]
        self.ids.append(number)
        self.links.append(link)
        if at < self.first_at:
            self.first_at = at
        if at > self.last_at:
            self.last_at = at
        return link


def begin(*, key: SealingKey, number: int, previous: str) -> Stretch:
    return Stretch(hmac.digest(key.secret, f"stretch {number} {previous}".encode(), "sha256"))


def pack_ids(ids: Iterable[int], *, after: int) -> bytes:
    steps = array("Q")
    for number in ids:
        steps.append(number - after)
        after = number
    if sys.byteorder == "big":
        steps.byteswap()
    return zlib.compress(steps.tobytes(), 1)


def unpack_ids(packed: bytes, *, after: int) -> list[int]:
    steps = array("Q")
    steps.frombytes(zlib.decompress(packed))
    if sys.byteorder == "big":
        steps.byteswap()
    ids = []
    for step in steps:
        after += step
        ids.append(after)
    return ids


def _micros(at: datetime | None) -> int | None:
    if at is None:
        return None
    step = at - EPOCH
    return (step.days * 86_400 + step.seconds) * 1_000_000 + step.microseconds


def digest_of(seal: Seal, *, key: SealingKey) -> str:
    """What ``seal.digest`` must be: HMAC over all that the seal says."""
    said: dict[str, Any] = {
        "number": seal.number,
        "version": seal.version,
        "key_id": seal.key_id,
        "after_id": seal.after_id,
        "through_id": seal.through_id,
        "count": seal.count,
        "first_at": _micros(seal.first_at),
        "last_at": _micros(seal.last_at),
        "steps": hashlib.sha256(bytes(seal.steps)).hexdigest(),
        "links": hashlib.sha256(bytes(seal.links)).hexdigest(),
        "tip": seal.tip,
        "previous": seal.previous,
        "sealed_at": _micros(seal.sealed_at),
        "removed_through": seal.removed_through,
    }
    return hmac.new(key.secret, json.dumps(said, sort_keys=True).encode(), "sha256").hexdigest()
