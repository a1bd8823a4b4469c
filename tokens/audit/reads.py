"""Record that staff have read a session or a token, in the transaction that reads it."""

from tokens.audit.record import record
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.origin import Actor


def record_session_read(*, session: Session, actor: Actor) -> Event:
    return record(
        kind=Kind.CLAIMS_VIEWED,
        actor=actor,
        subject=session.user,
        subject_name=session.username,
        session=session.pk,
    )


def record_token_read(*, token: OutstandingToken, actor: Actor) -> Event:
    """Record the event of ``token``, a row that is annotated with its ``session_id``."""
    return record(
        kind=Kind.CLAIMS_VIEWED,
        actor=actor,
        subject=token.user,
        session=token.session_id,
        jti=token.jti,
    )
