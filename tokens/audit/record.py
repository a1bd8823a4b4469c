"""Build and write events, and log them as JSON lines to the logger ``tokens.events``.

What is logged is also counted: see `tokens.counted`.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Required, TypedDict, Unpack

from django.db import transaction
from django.utils.crypto import salted_hmac

from tokens.audit.serializers import row_of, to_json
from tokens.counted import event_committed
from tokens.db import clock
from tokens.db.statements import RowInsert
from tokens.jwt.redaction import SUSPECT, redact_text
from tokens.models import Event, Kind
from tokens.models.lengths import (
    HIGHEST_COUNT,
    JTI_LENGTH,
    NAME_LENGTH,
    REASON_LENGTH,
    REQUEST_ID_LENGTH,
)
from tokens.origin import CLIENT_LENGTH, USER_AGENT_LENGTH, Actor, current_origin

logger = logging.getLogger("tokens.events")
# The member of `Event.data` with the trace that the request belonged to.
TRACE = "traceparent"


class EventFields(TypedDict, total=False):
    """The arguments of `build_event`."""

    kind: Required[Kind]
    at: datetime | None
    actor: Actor
    subject: Actor
    subject_name: str
    session: uuid.UUID | None
    jti: str
    reason: str
    count: int
    data: Mapping[str, object] | None


def clean_text(text: str, limit: int | None = None) -> str:
    """Drop NUL, cut to ``limit`` characters and redact tokens.

    NUL goes first: dropping it could otherwise join the parts of a token.
    """
    clipped = text.replace("\0", "")[:limit]
    return redact_text(clipped) if SUSPECT.search(clipped) else clipped


def clean_data(value: object) -> object:
    """Apply `clean_text` to each text in a JSON value: a path or a filter may hold a token."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_data(name): clean_data(item) for name, item in value.items()}
    return [clean_data(item) for item in value] if isinstance(value, list | tuple) else value


def mask_name(typed: str) -> str:
    """Return a name for the trail in place of a user name that belongs to no account.

    People type passwords into this field. The keyed digest is the same for the same text, so
    attempts with one name can be counted, and is too short to guess the text from.
    """
    mark = salted_hmac("tokens.audit.unknown", typed, algorithm="sha256").hexdigest()[:6]
    return f"unknown:{mark}"


def name_of(user: Actor) -> str:
    """Return the user name to keep beside the key, for the day when the account is gone."""
    return user.get_username()[:NAME_LENGTH] if user is not None and user.pk is not None else ""


def record(**fields: Unpack[EventFields]) -> Event:
    """Build an event and write it, in the current transaction."""
    return write(build_event(**fields))


def write(event: Event) -> Event:
    """Insert an event, and log it when the transaction commits."""
    event.save(force_insert=True)
    log_on_commit(event)
    return event


def write_all(events: Sequence[Event]) -> None:
    """Insert several events with one statement, and log them when the transaction commits."""
    Event.objects.bulk_create(events)
    for event in events:
        log_on_commit(event)


def insert_beside(*, source: str = "") -> RowInsert:
    """Return an INSERT of one event as a part of a larger statement; see `RowInsert`.

    The caller calls `log_on_commit` afterwards.
    """
    return RowInsert(Event, source=source)


def build_event(
    *,
    kind: Kind,
    at: datetime | None = None,
    actor: Actor = None,
    subject: Actor = None,
    subject_name: str = "",
    session: uuid.UUID | None = None,
    jti: str = "",
    reason: str = "",
    count: int = 1,
    data: Mapping[str, object] | None = None,
) -> Event:
    """Build an event from an act and the current origin, without writing it.

    ``at`` is the instant of the act, now by default. ``actor`` is None for an act of the system,
    and for a refused login. ``subject_name`` is a user name that belongs to no account.
    """
    origin = current_origin()
    if origin.traceparent:
        data = {**(data or {}), TRACE: origin.traceparent}
    return Event(
        at=at or clock.now(),
        kind=kind,
        actor_id=actor.pk if actor is not None else None,
        actor_name=name_of(actor),
        subject_id=subject.pk if subject is not None else None,
        subject_name=name_of(subject) or clean_text(subject_name, NAME_LENGTH),
        session_id=session,
        jti=clean_text(jti, JTI_LENGTH),
        ip=origin.ip,
        user_agent=clean_text(origin.user_agent, USER_AGENT_LENGTH),
        client=clean_text(origin.client, CLIENT_LENGTH),
        request_id=clean_text(origin.request_id, REQUEST_ID_LENGTH),
        reason=clean_text(reason, REASON_LENGTH),
        count=min(count, HIGHEST_COUNT),
        data=clean_data(data) if data else {},
    )


def log_on_commit(event: Event) -> None:
    """Log and count ``event`` if its transaction commits. An error in doing so undoes nothing."""
    transaction.on_commit(partial(_log, event), robust=True)


def _log(event: Event) -> None:
    event_committed.send_robust(sender=None, kind=event.kind)
    if not logger.isEnabledFor(logging.INFO):
        return
    text = json.dumps(to_json(row_of(event)), ensure_ascii=True)
    # `logger.info` would also walk the stack to find this line, which costs more than the rest.
    logger.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, text, (), None))
