"""Tell whether a login comes from a device or network that its account has not used.

This is the one rule for it: the overview's findings and the mails to owners both ask here.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_network
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from tokens.db.latest_sessions import latest_sessions
from tokens.listing.query import Text
from tokens.listing.search import UserKey
from tokens.models import Session, SessionOrigin

# A login is compared with this many earlier sessions of the account. The networks of an account
# that has used many say nothing.
KNOWN, ROAMING = 20, 5
VERSION = re.compile(r"\d[\d._]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Hold where an account was used from ``at`` on: a device, and one or more networks."""

    at: datetime
    device: str
    networks: frozenset[str]
    session: UUID | None = None


def place_of(
    *, at: datetime, user_agent: str, ips: Iterable[str | None], session: UUID | None = None
) -> Place:
    return Place(at, _device(user_agent), frozenset(map(network_of, ips)) - {""}, session)


def known_places(*, users: Collection[UserKey | None]) -> dict[UserKey | None, list[Place]]:
    """Return the places of the last `KNOWN` sessions of each of ``users``."""
    keys = latest_sessions(users=users, each=KNOWN)
    ips: dict[UUID, set[str]] = defaultdict(set)
    for sid, ip in SessionOrigin.objects.filter(session__in=keys).values_list("session", "ip"):
        ips[sid].add(ip)
    places: dict[UserKey | None, list[Place]] = defaultdict(list)
    read = ("user_id", "created_at", "user_agent", "ip")
    for one in Session.objects.filter(pk__in=keys).only(*read):
        place = place_of(
            at=one.created_at, user_agent=one.user_agent, ips={one.ip, *ips[one.pk]}, session=one.pk
        )
        places[one.user_id].append(place)
    return places


def places_before(login: Place, places: Iterable[Place]) -> list[Place]:
    """Return those of ``places`` that the account used before a login."""
    own = login.session
    return [one for one in places if one.at < login.at and (own is None or one.session != own)]


def what_is_new(login: Place, earlier: Collection[Place]) -> Text | None:
    """Say what is new about a login; None if nothing is, and for the first login of an account."""
    if not earlier:
        return None
    seen = frozenset().union(*(one.networks for one in earlier))
    new_device = login.device not in {one.device for one in earlier}
    new_network = len(seen) < ROAMING and not login.networks <= seen
    if new_device and new_network:
        return _("new device and network")
    if new_device:
        return _("new device")
    return _("new network") if new_network else None


@lru_cache(maxsize=4096)
def network_of(ip: str | None) -> str:
    """Return the network of an address: /24, or /48 of IPv6."""
    return str(ip_network((ip, 48 if ":" in ip else 24), strict=False)) if ip else ""


@lru_cache(maxsize=1024)
def _device(user_agent: str) -> str:
    """Return a user agent without its versions, which change with each update."""
    return VERSION.sub("", user_agent)
