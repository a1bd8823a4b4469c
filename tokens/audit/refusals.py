"""Remember refused calls for up to a day, so that staff can look one up by its ``X-Request-ID``.

An accepted call costs nothing. A flood of refused calls writes a bounded number of rows in each
minute, and the table never has more rows than `KNOWN_SLOTS` and `UNKNOWN_SLOTS`. Refusals of tokens
without a valid signature, which anyone can cause, have a budget and slots of their own.
"""

import logging
import random
import threading
import time
from contextlib import nullcontext

from django.db import Error, connection, transaction

from tokens.audit.record import clean_text, name_of
from tokens.db import clock
from tokens.jwt.signing import jti_of, session_id
from tokens.models import Refusal
from tokens.origin import CLIENT_LENGTH, USER_AGENT_LENGTH, current_origin
from tokens.validation.validator import Validation

logger = logging.getLogger(__name__)
KNOWN_SLOTS, UNKNOWN_SLOTS = 45_000, 5_000
# How many refusals one process writes in a minute: of one session, of all known ones, and others.
PER_SESSION, PER_KNOWN, PER_UNKNOWN = 5, 300, 60
FIELDS = [field.name for field in Refusal._meta.concrete_fields if not field.primary_key]


class Budget:
    """Limit how often each key may act within a minute, and all of them together."""

    def __init__(self, *, each: int, together: int) -> None:
        self.each, self.together = each, together
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start a new minute."""
        self._minute = time.monotonic() // 60
        self._spent: dict[object, int] = {}
        self._all = 0

    def spend(self, key: object) -> bool:
        """Return whether ``key`` may act once more."""
        with self._lock:
            if time.monotonic() // 60 != self._minute:
                self.reset()
            if self._all >= self.together or self._spent.get(key, 0) >= self.each:
                return False
            self._spent[key] = self._spent.get(key, 0) + 1
            self._all += 1
            return True


known_budget = Budget(each=PER_SESSION, together=PER_KNOWN)
unknown_budget = Budget(each=PER_UNKNOWN, together=PER_UNKNOWN)


def record_refusal(validation: Validation) -> None:
    """Remember why a call was refused, unless there have been too many in this minute.

    A fault of the database is logged: the call is refused whether it is remembered or not.
    """
    # Without a valid signature there are no claims.
    claims = validation.claims
    sid, jti = session_id(claims), jti_of(claims) if claims else ""
    if not (known_budget.spend(sid or jti) if claims else unknown_budget.spend("")):
        return
    # A new row takes a random slot of its kind, whatever was there.
    first, slots = (0, KNOWN_SLOTS) if claims else (KNOWN_SLOTS, UNKNOWN_SLOTS)
    slot = first + random.randrange(slots)  # noqa: S311
    origin, user = current_origin(), validation.user
    refusal = Refusal(
        slot=slot,
        request_id=clean_text(origin.request_id, 64),
        check_name=validation.failed or "",
        why=clean_text(validation.why, 500),
        token_type=validation.token_type[:16],
        user_id=user.pk if user is not None else None,
        username=name_of(user),
        session_id=sid,
        jti=clean_text(jti, 255),
        ip=origin.ip,
        user_agent=clean_text(origin.user_agent, USER_AGENT_LENGTH),
        client=clean_text(origin.client, CLIENT_LENGTH),
    )
    try:
        # An error would otherwise spoil the transaction of the caller.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            refusal.at = clock.now()
            Refusal.objects.bulk_create(
                [refusal], update_conflicts=True, unique_fields=["slot"], update_fields=FIELDS
            )
    except Error as error:
        logger.warning("a refused call was not remembered: %s", type(error).__name__)
