"""What the filters of the lists of tokens and of sessions have in common: the ways to what is
meant, each by an index."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q

from tokens.models import OutstandingToken, Session
from tokens.selectors.matching import match, starting_with

# What one index finds, as the arguments of a filter.
Way = dict[str, Any]
NOTHING: Way = {"pk__in": ()}
JTIS = 100


def read(text: str, *, sid: str, key: str) -> tuple[list[Way], str | None]:
    """The ways to what ``text`` means, any of which may be meant; or the address that it is.
    ``sid`` is what a row's session is called in a filter, and ``key`` leads from a token to the
    row's primary key."""
    if not text.strip():
        return [{}], None
    found = match(text)
    if found.ip:
        return [{}], found.ip
    if found.sid is not None and Session.objects.filter(pk=found.sid).exists():
        return [{sid: found.sid}], None
    ways: list[Way] = [{"user_id": user} for user in found.users]
    if found.jti_start:
        starts = starting_with(OutstandingToken.objects.order_by(), F("jti"), found.jti_start)
        held = starts.filter(**{f"{key}__isnull": False}).values_list(key, flat=True)
        if keys := set(held[:JTIS]):
            ways.append({"pk__in": keys})
    return ways or [NOTHING], None


def of_user(ways: list[Way], key: Any) -> list[Way]:
    """Of what the ways lead to, what is this user's."""
    theirs = [way for way in ways if way.get("user_id", key) == key]
    return [{**way, "user_id": key} for way in theirs] or [NOTHING]


def between(name: str, after: datetime | None, before: datetime | None) -> Q:
    wanted = Q()
    if after is not None:
        wanted &= Q(**{f"{name}__gte": after})
    if before is not None:
        wanted &= Q(**{f"{name}__lt": before})
    return wanted
