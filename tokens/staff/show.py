"""A token's claims as rows, and a session's events as a story, for a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from tokens.claims import INSTANTS, meaning
from tokens.models import Event, Kind
from tokens.selectors.events import events
from tokens.selectors.status import Status
from tokens.signing import instant

STEPS = 200
MARKS: dict[str, str] = {
    Kind.LOGIN: "login",
    Kind.REUSE: "reuse",
    Kind.LOGOUT: "end",
    Kind.REVOKE_TOKEN: "end",
    Kind.REVOKE_SESSION: "end",
}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: Any
    meaning: str
    at: datetime | None


def rows(members: dict[str, Any]) -> list[Row]:
    """Header or claims, each with its meaning; unknown ones as they are."""
    return [
        Row(name, value, meaning(name), instant(members, name) if name in INSTANTS else None)
        for name, value in members.items()
    ]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a session's story. ``mark`` is login, reuse, end or nothing; ``here`` is the
    token whose page it stands on; ``gap`` says that steps before it are left out."""

    what: str
    at: datetime | None
    mark: str = ""
    agent: str = ""
    ip: str | None = None
    who: str = ""
    why: str = ""
    jti: str = ""
    here: bool = False
    gap: bool = False


def timeline(session: Any, *, jti: str = "") -> list[Step]:
    """From login to end: the first event of the session and its last `STEPS`, and how it ended
    where no event of its own says so. ``session`` has its status; who only looked is left out."""
    of_session = events(session=session.pk).exclude(kind=Kind.CLAIMS_VIEWED)
    found = list(of_session[: STEPS + 1])
    gap = len(found) > STEPS
    if gap:
        first = of_session.order_by("at", "id").first()
        found = [*found[:STEPS], *([first] if first else [])]
    found.reverse()
    steps = [_step(event, jti, gap=gap and at == 1) for at, event in enumerate(found)]
    if not any(step.mark == "end" for step in steps) and (end := _end_of(session)):
        steps.append(end)
    return steps


def _step(event: Event, jti: str, *, gap: bool) -> Step:
    who = event.actor_name if event.actor_name != event.subject_name else ""
    gave_out = event.kind in (Kind.LOGIN, Kind.REFRESH, Kind.REFRESH_RETRY)
    return Step(
        what=str(event.get_kind_display()),
        at=event.at,
        mark=MARKS.get(event.kind, ""),
        agent=event.user_agent,
        ip=event.ip,
        who=who,
        why=event.reason,
        jti=event.jti,
        here=bool(jti) and gave_out and event.jti == jti,
        gap=gap,
    )


def _end_of(session: Any) -> Step | None:
    """What ended the session, where the event is about more than this one."""
    if session.revoked_at is not None:
        # A reuse is marked itself, and ends the session by itself.
        return Step(
            what=_("session ended"),
            at=session.revoked_at,
            mark="end",
            who=session.revoked_by_name,
            why=session.revoke_reason,
        )
    status = getattr(session, "status", None)
    if status == Status.EXPIRED:
        ends = [at for at in (session.ends_at, session.expires_at) if at is not None]
        return Step(what=_("expired"), at=min(ends) if ends else None, mark="end")
    if status == Status.REVOKED:
        return Step(
            what=_("session ended"), at=None, mark="end", why=_("by a cut-off, or with its account")
        )
    return None
