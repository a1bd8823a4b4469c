"""What a search box means: one text for a user name, e-mail, jti or its start, sid or ip. Each
reading has an index, and none looks inside the middle of a text."""

import re
import uuid
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.functions import Lower

USERS = 20
# A shorter start says too little to be a jti's.
JTI_START = re.compile(r"[0-9A-Za-z_-]{4,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The readings of one search text; any of them may be meant."""

    users: tuple[Any, ...] = ()
    sid: uuid.UUID | None = None
    jti_start: str = ""
    ip: str | None = None


def as_address(text: str) -> str | None:
    """``text`` in the one spelling that the database keeps, None if it is no address."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


def as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def match(text: str) -> Match:
    """Read ``text``. Two statements at most, however many accounts there are."""
    text = text.strip().replace("\0", "")
    if ip := as_address(text):
        return Match(ip=ip)
    if sid := as_uuid(text):
        # A jti made by simplejwt is a UUID too, in hexadecimal.
        return Match(sid=sid, jti_start=sid.hex if "-" not in text else text)
    jti_start = text if JTI_START.fullmatch(text) else ""
    return Match(users=matching_users(text), jti_start=jti_start)


def matching_users(text: str, *, limit: int = USERS) -> tuple[Any, ...]:
    """Keys of the accounts whose user name or e-mail starts with ``text``, in either case. One
    that matches as a whole is the one that is meant, whoever else starts like it."""
    if not text:
        return ()
    users = get_user_model()._default_manager.order_by()
    exact = users.filter(**{get_user_model().USERNAME_FIELD: text}).values_list("pk", flat=True)
    if (key := exact.first()) is not None:
        return (key,)
    names = [f for f in (get_user_model().USERNAME_FIELD, _email_field()) if f]
    found: dict[Any, None] = {}
    for name in names:
        starts = starting_with(users, Lower(name), text.lower())
        found |= dict.fromkeys(starts.values_list("pk", flat=True)[: limit - len(found)])
    return tuple(found)


def starting_with(rows: "QuerySet[Any]", expression: Any, start: str) -> "QuerySet[Any]":
    """Rows whose ``expression`` starts with ``start``, in its order, by an index: PostgreSQL
    bounds LIKE with a pattern index; SQLite compares bytes, so there a range does it."""
    rows = rows.alias(searched=expression)
    if connection.vendor == "postgresql":
        return rows.filter(searched__startswith=start)
    return rows.filter(searched__gte=start, searched__lt=start + "\U0010ffff")


def _email_field() -> str:
    model: type[Model] = get_user_model()
    name = str(getattr(model, "EMAIL_FIELD", "") or "")
    return name if name in {field.name for field in model._meta.get_fields()} else ""
