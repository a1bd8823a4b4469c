import uuid
from typing import Any

from tokens.audit.forward import announce
from tokens.claims import redact_text
from tokens.models import Event, Kind
from tokens.origin import current_origin
from tokens.selectors.statement import RowInsert


def clean(text: str, limit: int | None = None) -> str:
    """``text`` as it may be kept: no signature of a token, no NUL, and no more than fits."""
    return redact_text(text).replace("\0", "")[:limit]


def cleaned(value: Any) -> Any:
    """The same for all the texts in ``value``: an address of ours may have a token in it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {cleaned(name): cleaned(item) for name, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def name_of(user: Any | None) -> str:
    """A user as text that still reads after the account is gone."""
    return user.get_username()[:254] if user is not None and user.pk is not None else ""


def record(**line: Any) -> Event:
    """Write one event; the arguments are those of `unwritten`."""
    return write(unwritten(**line))


def write(event: Event) -> Event:
    event.save(force_insert=True)
    announce(event)
    return event


def insert_beside(*, source: str = "") -> RowInsert:
    """An INSERT of one event, for a statement that does more besides: see `RowInsert`. Whoever
    uses it calls `announce` afterwards."""
    return RowInsert(Event, source=source)


def unwritten(
    *,
    kind: Kind,
    actor: Any | None = None,
    subject: Any | None = None,
    subject_name: str = "",
    session: uuid.UUID | None = None,
    jti: str = "",
    reason: str = "",
    count: int = 1,
    data: dict[str, Any] | None = None,
) -> Event:
    """One event, not yet written. ``actor`` None is the system (or nobody, for a refused login);
    ``subject_name`` stands in where there is no account, as for an unknown user name."""
    where = current_origin()
    return Event(
        kind=kind,
        actor_id=actor.pk if actor is not None else None,
        actor_name=name_of(actor),
        subject_id=subject.pk if subject is not None else None,
        subject_name=name_of(subject) or clean(subject_name, 254),
        session_id=session,
        jti=clean(jti, 255),
        ip=where.ip,
        user_agent=clean(where.user_agent, 512),
        client=clean(where.client, 100),
        request_id=clean(where.request_id, 64),
        reason=clean(reason, 500),
        count=count,
        data=cleaned(data) if data else {},
    )
