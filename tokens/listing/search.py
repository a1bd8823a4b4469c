"""Read the text of a search box.

It can be a user name, an e-mail address, a jti, a session id or the start of one of both, an IP
address or a network. Each reading uses an index, and none searches inside a text.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Lower

from tokens.models import OutstandingToken, Session, SessionOrigin
from tokens.origin import is_subnet, network_text, parse_network

# A user's primary key, as the type stubs have it. At runtime it's whatever the user model uses.
UserKey = int | str
# The conditions of one index lookup, as keyword arguments of `QuerySet.filter`.
Lookups = dict[str, Any]
M = TypeVar("M", bound=Model)
NOTHING: Lookups = {"pk__in": ()}
# How many users, and how many tokens, one search text can mean.
USERS = 20
FIRST_INSTANT, LAST_INSTANT = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001
TOKENS = 100
# A shorter text is not read as the start of a jti.
JTI_START = re.compile(r"[0-9A-Za-z_-]{4,255}")
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")
SID_START = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)
# An id as pages shorten it: its first eight and its last four characters.
SHORT_ID = re.compile(r"([0-9A-Za-z_-]{8})(?:…|\.{3})([0-9A-Za-z_-]{4})")
# How many rows whose ids start alike are read to find those that also end alike. The ids of about
# a minute do.
ALIKE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The possible readings of one search text. ``id_end`` ends a shortened id."""

    users: tuple[UserKey, ...] = ()
    sid: uuid.UUID | None = None
    sid_start: str = ""
    jti_start: str = ""
    id_end: str = ""
    ip: str | None = None


def as_network(text: str) -> str | None:
    """Return the address or network in ``text`` as it is shown; None if it is neither."""
    network = parse_network(text)
    return None if network is None else network_text(network)


def narrower(one: str, other: str) -> str | None:
    """Return the network that is within the other one; None if neither is."""
    first, second = parse_network(one), parse_network(other)
    if first is None or second is None:
        return None
    if is_subnet(second, of=first):
        return other
    return one if is_subnet(first, of=second) else None


def seen_within(network: str) -> list[Lookups]:
    """Return the index lookups of the sessions that were seen at an address of ``network``.

    One finds their latest address, the other those that they were seen at before.
    """
    origins = SessionOrigin.objects.filter(ip__within=network)
    return [{"ip__within": network}, {"pk__in": origins.values("session_id")}]


def is_seen_within(network: str) -> Q:
    """Return `seen_within` as one condition, which PostgreSQL answers by index too."""
    latest, before = (Session.objects.order_by().filter(**way) for way in seen_within(network))
    return Q(pk__in=latest.values("pk").union(before.values("pk")))


def is_storable(instant: datetime) -> bool:
    """Return whether ``instant`` stays in the years 1 to 9999 in every time zone."""
    return FIRST_INSTANT <= instant.replace(tzinfo=None) <= LAST_INSTANT


def as_uuid(text: str) -> uuid.UUID | None:
    """Return ``text`` as a UUID; None if it isn't one."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def user_key(text: str) -> UserKey | None:
    """Return ``text`` as a primary key of the user model; None if it isn't one."""
    if "\0" in text:
        return None
    try:
        key: UserKey = get_user_model()._meta.pk.to_python(text)
    except (ValidationError, ValueError):
        return None
    return None if isinstance(key, int) and not 0 <= key < 2**63 else key


def match(text: str) -> Match:
    """Read ``text`` with at most three statements, however many users there are."""
    text = text.strip().replace("\0", "")
    if ip := as_network(text):
        return Match(ip=ip)
    if sid := as_uuid(text):
        # simplejwt's jti is the hexadecimal form of a UUID.
        return Match(sid=sid, jti_start=sid.hex if "-" not in text else text)
    short = SHORT_ID.fullmatch(text)
    start, end = short.groups() if short else (text, "")
    return Match(
        users=matching_users(text),
        sid_start=start if SID_START.fullmatch(start) else "",
        jti_start=start if JTI_START.fullmatch(start) else "",
        id_end=end,
    )


def matching_sessions(found: Match, *, limit: int) -> list[uuid.UUID]:
    """Return the ids of up to ``limit`` sessions whose id starts, and ends, as in the text."""
    digits = found.sid_start.replace("-", "")
    if not 0 < len(digits) < 32:
        return []
    first, last = (uuid.UUID(digits.ljust(32, digit)) for digit in "0f")
    alike = Session.objects.order_by("pk").filter(pk__gte=first, pk__lte=last)
    sids = alike.values_list("pk", flat=True)[: ALIKE if found.id_end else limit]
    return [sid for sid in sids if sid.hex.endswith(found.id_end.lower())][:limit]


def matching_tokens(found: Match) -> "QuerySet[OutstandingToken]":
    """Return the tokens whose jti starts, and ends, as in the text."""
    rows: QuerySet[OutstandingToken] = OutstandingToken.objects.order_by()
    if not found.jti_start:
        return rows.none()
    alike = starting_with(rows, F("jti"), found.jti_start)
    end = Q(jti__endswith=found.id_end)
    if HEXADECIMAL.fullmatch(found.jti_start):
        # simplejwt's digits are lower case. A project's own may not be.
        alike |= starting_with(rows, F("jti"), found.jti_start.lower())
        end |= Q(jti__endswith=found.id_end.lower())
    return alike.filter(end) if found.id_end else alike


def matching_users(text: str, *, limit: int = USERS) -> tuple[UserKey, ...]:
    """Return the keys of users whose name or e-mail address starts with ``text``, in any case.

    A user whose whole name is ``text`` is the only match.
    """
    text = text.replace("\0", "")
    if not text:
        return ()
    users = get_user_model()._default_manager.order_by()
    exact = users.filter(**{get_user_model().USERNAME_FIELD: text}).values_list("pk", flat=True)
    if (key := exact.first()) is not None:
        return (key,)
    names = [f for f in (get_user_model().USERNAME_FIELD, email_field()) if f]
    found: dict[UserKey, None] = {}
    for name in names:
        starts = starting_with(users, Lower(name), text.lower())
        found |= dict.fromkeys(starts.values_list("pk", flat=True)[: limit - len(found)])
    return tuple(found)


def starting_with(rows: "QuerySet[M]", expression: Combinable, start: str) -> "QuerySet[M]":
    """Filter for rows whose ``expression`` starts with ``start``, by an index.

    PostgreSQL uses LIKE with a pattern index, and SQLite a range, because it compares bytes.
    """
    searched = cast("QuerySet[M]", rows.alias(searched=expression))
    if connection.vendor == "postgresql":
        return searched.filter(Q(searched__startswith=start))
    return searched.filter(Q(searched__gte=start, searched__lt=start + "\U0010ffff"))


def alternatives(text: str, *, sid: str, key: str) -> tuple[list[Lookups], str | None]:
    """Return the index lookups that ``text`` can mean, one for each reading.

    A row that any of them finds matches. If ``text`` is an address or a network, it is the second
    value instead.

    ``sid`` is the lookup of a row's session. ``key`` is the path from a token to the row's
    primary key.
    """
    if not text.strip():
        return [{}], None
    found = match(text)
    if found.ip:
        return [{}], found.ip
    if found.sid is not None and Session.objects.filter(pk=found.sid).exists():
        return [{sid: found.sid}], None
    lookups: list[Lookups] = [{"user_id": user} for user in found.users]
    if found.jti_start:
        starts = matching_tokens(found).filter(**{f"{key}__isnull": False})
        if keys := set(starts.values_list(key, flat=True)[:TOKENS]):
            lookups.append({"pk__in": keys})
    if sids := matching_sessions(found, limit=TOKENS):
        lookups.append({f"{sid}__in": sids})
    return lookups or [NOTHING], None


def of_user(lookups: list[Lookups], key: UserKey) -> list[Lookups]:
    """Narrow ``lookups`` to rows of one user."""
    theirs = [lookup for lookup in lookups if lookup.get("user_id", key) == key]
    return [{**lookup, "user_id": key} for lookup in theirs] or [NOTHING]


def between(name: str, after: datetime | None, before: datetime | None) -> Q:
    """Return the condition that ``name`` is at ``after`` or later, and before ``before``."""
    wanted = Q()
    if after is not None:
        wanted &= Q(**{f"{name}__gte": after})
    if before is not None:
        wanted &= Q(**{f"{name}__lt": before})
    return wanted


def email_field() -> str:
    """Return the name of the user model's e-mail field; empty if it has none."""
    model: type[Model] = get_user_model()
    name = str(getattr(model, "EMAIL_FIELD", "") or "")
    return name if name in {field.name for field in model._meta.get_fields()} else ""


def email_of(account: object) -> str:
    """Return the e-mail address of an account; empty if it or its user model has none."""
    return str(getattr(account, email_field(), "") or "")
