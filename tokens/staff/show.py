"""A token's claims as rows for a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from tokens.claims import INSTANTS, meaning
from tokens.models import Event, Session
from tokens.selectors.events import events
from tokens.signing import instant

STEPS = 200


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


def timeline(session: Session) -> "QuerySet[Event]":
    """The first `STEPS` events of a session, as they happened."""
    return events(session=session.pk).order_by("at", "id")[:STEPS]
