"""What a person may see of the sessions of their own account."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from tokens.models import Session
from tokens.origin import Origin
from tokens.selectors.status import Status, live, with_session_status

# Somebody with more has a program that logs in; a hundred is more than a person reads.
MOST = 100
RECENT = timedelta(days=30)
ACTIVE = Q(status=Status.ACTIVE)


@dataclass(frozen=True, slots=True)
class OwnSessions:
    """``here`` are active and come from the same address and browser as the request: a page
    has a login of its own, and cannot know it for sure. ``more`` says that there are others."""

    here: list[Session]
    elsewhere: list[Session]
    ended: list[Session]
    more: bool

    @property
    def number(self) -> int:
        return len(self.here) + len(self.elsewhere)


def own_sessions(*, user: Any, origin: Origin, ended: int = 10) -> OwnSessions:
    """Live sessions of ``user``, last used first, and those that ended lately."""
    mine = with_session_status(Session.objects.filter(user=user)).order_by("-last_used_at", "-pk")
    found = list(live(mine).filter(ACTIVE)[: MOST + 1])
    past = mine.exclude(ACTIVE).filter(last_used_at__gt=timezone.now() - RECENT)
    here = [session for session in found[:MOST] if is_here(session, origin)]
    return OwnSessions(
        here=here,
        elsewhere=[session for session in found[:MOST] if session not in here],
        ended=list(past[:ended]),
        more=len(found) > MOST,
    )


def own_session(*, user: Any, pk: uuid.UUID) -> Session | None:
    """One active session of ``user``; None for another's, an ended or an unknown one alike."""
    mine = with_session_status(live(Session.objects.filter(user=user, pk=pk)))
    return mine.filter(ACTIVE).first()


def had_session(*, user: Any, pk: uuid.UUID) -> bool:
    """Whether it is, or was, a session of ``user``."""
    return Session.objects.filter(user=user, pk=pk).exists()


def is_here(session: Session, origin: Origin) -> bool:
    return (
        origin.ip is not None
        and session.ip == origin.ip
        and session.user_agent == origin.user_agent
    )
