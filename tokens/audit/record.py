import uuid
from typing import Any

from tokens.models import Event, Kind
from tokens.origin import current_origin


def name_of(user: Any | None) -> str:
    """A user as text that still reads after the account is gone."""
    return user.get_username()[:254] if user is not None and user.pk is not None else ""


def record(
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
    """Write one event. ``actor`` None is the system (or nobody, for a refused login);
    ``subject_name`` stands in where there is no account, as for an unknown user name."""
    where = current_origin()
    return Event.objects.create(
        kind=kind,
        actor_id=actor.pk if actor is not None else None,
        actor_name=name_of(actor),
        subject_id=subject.pk if subject is not None else None,
        subject_name=name_of(subject) or subject_name[:254],
        session_id=session,
        jti=jti[:255],
        ip=where.ip,
        user_agent=where.user_agent[:512],
        client=where.client[:100],
        request_id=where.request_id[:64],
        reason=reason[:500],
        count=count,
        data=data or {},
    )
