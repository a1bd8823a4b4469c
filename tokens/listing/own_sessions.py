"""List the sessions of a user for that user."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q

from tokens.db import clock
from tokens.listing.status import Status, live, with_session_status
from tokens.models import Session
from tokens.origin import Origin

# A user with more sessions has a program that logs in; people don't read a longer list.
MOST = 100
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OwnSessions:
    """Hold a user's sessions.

    The sessions in ``here`` are active and have the address and user agent of the request. This
    is a guess, because the account pages have a login of their own. ``more`` says that there are
    further active sessions.
    """

    here: list[Session]
    elsewhere: list[Session]
    ended: list[Session]
    more: bool

    @property
    def number(self) -> int:
        return len(self.here) + len(self.elsewhere)


def own_sessions(*, user: AbstractBaseUser, origin: Origin, ended: int = 10) -> OwnSessions:
    """Return the live sessions of ``user``, the last used first, and those that ended lately."""
    mine = Session.objects.filter(user=user.pk).order_by("-last_used_at", "-pk")
    found = list(live(mine)[: MOST + 1])
    recent = mine.filter(last_used_at__gt=clock.now() - RECENT)
    past = with_session_status(recent).exclude(Q(status=Status.ACTIVE))
    here = [session for session in found[:MOST] if is_here(session, origin)]
    return OwnSessions(
        here=here,
        elsewhere=[session for session in found[:MOST] if session not in here],
        ended=list(past[:ended]),
        more=len(found) > MOST,
    )


def own_session(*, user: AbstractBaseUser, pk: uuid.UUID) -> Session | None:
    """Return an active session of ``user``; None if it has ended or isn't theirs."""
    return live(Session.objects.filter(user=user.pk, pk=pk)).first()


def had_session(*, user: AbstractBaseUser, pk: uuid.UUID) -> bool:
    """Return whether ``pk`` is a session of ``user``, active or not."""
    return Session.objects.filter(user=user.pk, pk=pk).exists()


def is_here(session: Session, origin: Origin) -> bool:
    return (
        origin.ip is not None
        and session.ip == origin.ip
        and session.user_agent == origin.user_agent
    )
