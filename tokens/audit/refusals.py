"""Remember refused calls for up to a day, so that staff can look one up by its ``X-Request-ID``.

An accepted call costs nothing. A flood of refused calls writes a bounded number of rows in each
minute, and the table never has more rows than `KNOWN_SLOTS` and `UNKNOWN_SLOTS`. Refusals of tokens
without a valid signature, which anyone can cause, have a budget and slots of their own. Each
client has a small share of the budget and of the slots: one that floods hides its own refusals.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from zlib import crc32

from django.db import Error, connection, transaction

from tokens.audit.record import clean_text, name_of
from tokens.counted import token_refused
from tokens.db import clock
from tokens.jwt.signing import jti_of, session_id
from tokens.models import Refusal
from tokens.models.lengths import JTI_LENGTH, REASON_LENGTH, REQUEST_ID_LENGTH
from tokens.origin import (
    CLIENT_LENGTH,
    USER_AGENT_LENGTH,
    after_view,
    client_network,
    current_origin,
)
from tokens.validation.validator import Validation

logger = logging.getLogger(__name__)
KNOWN_SLOTS, UNKNOWN_SLOTS = 45_000, 5_000
# The slots that the refusals of one client replace.
SLOTS_OF_CLIENT = 100
# How many refusals one process writes in a minute: of one session, of one client, and of all, for
# those of known sessions and for others.
PER_SESSION, PER_CLIENT, PER_KNOWN = 5, 30, 300
PER_UNKNOWN_CLIENT, PER_UNKNOWN = 10, 60
FIELDS = [field.name for field in Refusal._meta.concrete_fields if not field.primary_key]


class Budget:
    """Limit how often all together may act within a minute, and each of several keys."""

    def __init__(self, *, together: int) -> None:
        self.together = together
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start a new minute."""
        self._minute = time.monotonic() // 60
        # A key enters only when it acts, so there are no more of them than acts.
        self._spent: Counter[object] = Counter()
        self._all = 0

    def spend(self, shares: Mapping[object, int]) -> bool:
        """Return whether one act is left, of all and of the share of each key."""
        with self._lock:
            if time.monotonic() // 60 != self._minute:
                self.reset()
            if self._all >= self.together:
                return False
            if any(self._spent[key] >= share for key, share in shares.items()):
                return False
            self._spent.update(shares.keys())
            self._all += 1
            return True


known_budget = Budget(together=PER_KNOWN)
unknown_budget = Budget(together=PER_UNKNOWN)


def record_refusal(validation: Validation) -> None:
    """Remember why a call was refused, unless there have been too many in this minute.

    The row is written after the view: a project's transaction around it would roll the row back.
    A fault of the database is logged: the call is refused whether it is remembered or not.
    """
    token_refused.send_robust(sender=None, check=validation.failed)
    origin, user = current_origin(), validation.user
    client = client_network(origin.ip) or ""
    # Without a valid signature there are no claims.
    claims = validation.claims
    sid, jti = session_id(claims), jti_of(claims) if claims else ""
    if claims:
        allowed = known_budget.spend({("session", sid or jti): PER_SESSION, client: PER_CLIENT})
    else:
        allowed = unknown_budget.spend({client: PER_UNKNOWN_CLIENT})
    if not allowed:
        return
    first, slots = (0, KNOWN_SLOTS) if claims else (KNOWN_SLOTS, UNKNOWN_SLOTS)
    refusal = Refusal(
        slot=first + _slot_of(client, slots),
        request_id=clean_text(origin.request_id, REQUEST_ID_LENGTH),
        check_name=validation.failed or "",
        why=clean_text(validation.why, REASON_LENGTH),
        token_type=validation.token_type[:16],
        user_id=user.pk if user is not None else None,
        username=name_of(user),
        session_id=sid,
        jti=clean_text(jti, JTI_LENGTH),
        ip=origin.ip,
        user_agent=clean_text(origin.user_agent, USER_AGENT_LENGTH),
        client=clean_text(origin.client, CLIENT_LENGTH),
    )
    after_view(partial(_write, refusal))


def _slot_of(client: str, slots: int) -> int:
    """Return a random one of the slots of a client. Another client may have some of them too."""
    number = random.randrange(SLOTS_OF_CLIENT)  # noqa: S311
    return crc32(f"{client} {number}".encode()) % slots


def _write(refusal: Refusal) -> None:
    try:
        # An error would otherwise spoil the transaction of the caller.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            refusal.at = clock.now()
            Refusal.objects.bulk_create(
                [refusal], update_conflicts=True, unique_fields=["slot"], update_fields=FIELDS
            )
    except Error as error:
        logger.warning("a refused call was not remembered: %s", type(error).__name__)
