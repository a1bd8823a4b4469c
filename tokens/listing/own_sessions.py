"""List the sessions of a user for that user."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q

from tokens.db import clock
from tokens.jwt.redaction import redact_text
from tokens.listing.browsers import MOST, browser_sessions, has_had, this_browser
from tokens.listing.status import Status, live, with_session_status
from tokens.models import BrowserSession, Session
from tokens.models.lengths import DEVICE_NAME_LENGTH
from tokens.origin import Origin

RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OwnSessions:
    """Hold a user's sessions.

    The sessions in ``here`` are active and have the address and user agent of the request. This
    is a guess, because the account pages have a login of their own. ``more`` says that there are
    further active sessions or browser sessions.
    """

    here: list[Session]
    elsewhere: list[Session]
    ended: list[Session]
    this_browser: BrowserSession | None
    other_browsers: list[BrowserSession]
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
    browsers, browser = browser_sessions(user=user), this_browser()
    this = [one for one in browsers if one.pk == browser]
    if browser and not this and len(browsers) == MOST:
        this = browser_sessions(user=user, pk=browser)
    return OwnSessions(
        here=here,
        elsewhere=[session for session in found[:MOST] if session not in here],
        ended=list(past[:ended]),
        this_browser=this[0] if this else None,
        other_browsers=[one for one in browsers if one.pk != browser],
        more=len(found) > MOST or len(browsers) == MOST,
    )


def own_session(*, user: AbstractBaseUser, pk: uuid.UUID) -> Session | None:
    """Return an active session of ``user``; None if it has ended or isn't theirs."""
    return live(Session.objects.filter(user=user.pk, pk=pk)).first()


def own_login(*, user: AbstractBaseUser, pk: uuid.UUID) -> Session | BrowserSession | None:
    """Return an active session or browser session of ``user``; None if it isn't theirs."""
    return own_session(user=user, pk=pk) or next(iter(browser_sessions(user=user, pk=pk)), None)


def had_login(*, user: AbstractBaseUser, pk: uuid.UUID) -> bool:
    """Return whether ``pk`` is a session or browser session of ``user``, active or not."""
    return has_had(user=user, pk=pk) or Session.objects.filter(user=user.pk, pk=pk).exists()


def name_device(*, login: Session | BrowserSession, name: str) -> None:
    """Give the device of a session a name, or none if it is empty."""
    login.name = redact_text(name)[:DEVICE_NAME_LENGTH]
    login.save(update_fields=["name"])


def is_here(session: Session, origin: Origin) -> bool:
    return (
        origin.ip is not None
        and session.ip == origin.ip
        and session.user_agent == origin.user_agent
    )
