"""List what happened to an account, for its owner."""

from dataclasses import dataclass

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy

from tokens.listing.events import EventQuery
from tokens.listing.pagination import Page
from tokens.listing.query import Text
from tokens.models import Event, Kind

# The kinds that an owner sees, in the owner's words.
WORDS: dict[str, Text] = {
    Kind.LOGIN: gettext_lazy("Logged in"),
    Kind.LOGIN_REFUSED: gettext_lazy("A login was refused"),
    Kind.LOGIN_LOCKED: gettext_lazy("Logins were refused for a while"),
    Kind.LEGACY_ADOPTED: gettext_lazy("Logged in before"),
    Kind.REUSE: gettext_lazy("A used-up token was presented again"),
    Kind.LOGOUT: gettext_lazy("Logged out"),
    Kind.REVOKE_TOKEN: gettext_lazy("A session was ended"),
    Kind.REVOKE_SESSION: gettext_lazy("A session was ended"),
    Kind.REVOKE_USER: gettext_lazy("All sessions were ended"),
    Kind.REVOKE_MATCHING: gettext_lazy("Sessions were ended"),
    Kind.REVOKE_BROWSERS: gettext_lazy("Browsers were logged out"),
    Kind.CUTOFF: gettext_lazy("Sessions were ended"),
    Kind.PASSWORD_CHANGED: gettext_lazy("The password was changed"),
    Kind.USER_DEACTIVATED: gettext_lazy("The account was deactivated"),
}


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """Hold an event as its owner sees it.

    ``by_owner`` and ``by_staff`` say who did it; neither is true for the portal, or a client that
    did not log in. The address and the device of a member of staff are not shown.
    """

    event: Event
    words: Text
    by_owner: bool
    by_staff: bool


def own_events(*, user: AbstractBaseUser, cursor: str) -> Page[Event]:
    """Return a page of the events about ``user``, the newest first; see `as_owner_sees`."""
    query = EventQuery(subject=user.pk, kind=tuple(WORDS))
    return query.listing().page(cursor=cursor)


def as_owner_sees(event: Event, *, user: AbstractBaseUser) -> OwnEvent:
    by_owner = event.actor_id == user.pk
    return OwnEvent(event, WORDS[event.kind], by_owner, not by_owner and event.actor_id is not None)
