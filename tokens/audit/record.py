import uuid
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import CharField, Field

from tokens.audit.forward import announce
from tokens.claims import redact_text
from tokens.models import Event, Kind
from tokens.origin import current_origin


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


def insert_beside(*, source: str) -> str:
    """An INSERT of one event for each row of ``source``, for a statement that does more besides:
    the event and the act are then written, or refused, as one. PostgreSQL; its parameters are
    those of `as_parameters`, and whoever uses it calls `announce` afterwards."""
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in _written())
    # A parameter of a SELECT has no column whose type it could take.
    marks = ", ".join(
        "%s" if isinstance(field, CharField) else f"%s::{field.db_type(connection)}"
        for field in _written()
    )
    table = quote(Event._meta.db_table)
    return f"INSERT INTO {table} ({columns}) SELECT {marks} FROM {source} RETURNING id"  # noqa: S608


def as_parameters(event: Event) -> list[Any]:
    return [
        field.get_db_prep_save(getattr(event, field.attname), connection) for field in _written()
    ]


@cache
def _written() -> "tuple[Field[Any, Any], ...]":
    return tuple(field for field in Event._meta.local_concrete_fields if not field.primary_key)


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
