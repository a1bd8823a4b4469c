"""Build the timeline of a session for a page."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from tokens.listing.events import events_of
from tokens.listing.status import Status
from tokens.models import Event, Kind, Session
from tokens.models.kinds import READ_ONLY_KINDS, Mark

STEPS = 200
# Reads, and the events that only list the sessions of a cutoff, which has an event of its own.
LEFT_OUT = (*READ_ONLY_KINDS, Kind.CUTOFF_SETTLED)


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """Hold one line of a session's timeline.

    ``here`` says that the step issued the token whose page shows it.
    ``gap`` says that earlier steps are left out before this one.
    """

    what: str
    at: datetime | None
    mark: Mark = Mark.NONE
    agent: str = ""
    ip: str | None = None
    who: str = ""
    why: str = ""
    jti: str = ""
    here: bool = False
    gap: bool = False


def timeline(session: Session, *, jti: str = "") -> list[TimelineStep]:
    """Return the timeline of a session from its login to its end.

    It has the first event and the last `STEPS` events, without reads. If no event of the session
    says how it ended, a step for the end is added. ``session`` has its annotated ``status``.
    """
    is_live = getattr(session, "status", None) == Status.ACTIVE
    of_session = events_of(session.pk, is_live=is_live).exclude(kind__in=LEFT_OUT)
    found = list(of_session[: STEPS + 1])
    gap = len(found) > STEPS
    if gap:
        first = of_session.order_by("at", "id").first()
        found = [*found[:STEPS], *([first] if first else [])]
    found.reverse()
    steps = [_step(event, jti, gap=gap and at == 1) for at, event in enumerate(found)]
    if not any(step.mark == Mark.END for step in steps) and (end := _end_of(session)):
        steps.append(end)
    return steps


def _step(event: Event, jti: str, *, gap: bool) -> TimelineStep:
    who = event.actor_name if event.actor_name != event.subject_name else ""
    return TimelineStep(
        what=str(event.get_kind_display()),
        at=event.at,
        # An act upon many names no session, and is here because it ended this one.
        mark=event.traits.mark if event.session_id is not None else Mark.END,
        agent=event.user_agent,
        ip=event.ip,
        who=who,
        why=event.reason,
        jti=event.jti,
        here=bool(jti) and event.traits.issues_token and event.jti == jti,
        gap=gap,
    )


def _end_of(session: Session) -> TimelineStep | None:
    """Return the step for the end of a session that has ended without an event of its own."""
    if session.revoked_at is not None:
        return TimelineStep(
            what=_("session ended"),
            at=session.revoked_at,
            mark=Mark.END,
            who=session.revoked_by_name,
            why=session.revoke_reason,
        )
    status = getattr(session, "status", None)
    if status == Status.EXPIRED:
        ends = [at for at in (session.ends_at, session.expires_at) if at is not None]
        return TimelineStep(what=_("expired"), at=min(ends) if ends else None, mark=Mark.END)
    if status == Status.REVOKED:
        return TimelineStep(
            what=_("session ended"),
            at=None,
            mark=Mark.END,
            why=_("by a cutoff, or with its account"),
        )
    return None
