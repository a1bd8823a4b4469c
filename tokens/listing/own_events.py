"""List what happened to an account, for its owner."""

from dataclasses import dataclass, replace

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q, QuerySet

from tokens.listing.events import EventQuery
from tokens.listing.pagination import Page
from tokens.listing.query import Text
from tokens.models import Event
from tokens.models.kinds import OWNER_WORDS
from tokens.origin import COMMAND


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """Hold an event as its owner sees it.

    ``by_owner`` and ``by_staff`` say who did it; neither is true for the portal, or a client that
    did not log in. A command counts as staff. The address and the device of a member of staff, or
    the host of a command, are not shown.
    """

    event: Event
    words: Text
    by_owner: bool
    by_staff: bool


def own_events(*, user: AbstractBaseUser, cursor: str) -> Page[Event]:
    """Return a page of the events about ``user``, the newest first; see `as_owner_sees`."""
    # The index by account is read in order, however many events there are.
    listing = EventQuery(subject=user.pk).listing()
    return replace(listing, coarse=_shown).page(cursor=cursor)


def _shown(events: "QuerySet[Event]") -> "QuerySet[Event]":
    return events.filter(Q(kind__in=list(OWNER_WORDS)))


def as_owner_sees(event: Event, *, user: AbstractBaseUser) -> OwnEvent:
    by_owner = event.actor_id == user.pk
    by_staff = not by_owner and (event.actor_id is not None or _of_a_command(event))
    return OwnEvent(event, OWNER_WORDS[event.kind], by_owner, by_staff)


def _of_a_command(event: Event) -> bool:
    # An API client can choose any name, but its calls have an address.
    return event.ip is None and event.client.startswith(COMMAND)
