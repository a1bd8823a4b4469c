"""The trail as text, one line after another: a CSV for a spreadsheet, JSON Lines for a script,
and ECS (Elastic Common Schema 8) for a SIEM. Nothing is held in memory but the line at hand."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from tokens.models import Event, Kind

COLUMNS = (
    "id", "at", "kind", "actor", "actor_name", "subject", "subject_name", "session", "jti", "ip",
    "user_agent", "client", "request_id", "reason", "count", "data",
)  # fmt: skip
# OWASP, CSV injection: a cell that begins with one of these is run by a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CHUNK = 2000
REFUSALS = frozenset({Kind.LOGIN_REFUSED, Kind.LOGIN_LOCKED, Kind.REUSE,
                      Kind.INTROSPECTION_REFUSED, Kind.PERMISSION_DENIED})  # fmt: skip
SESSION_STARTS = frozenset({Kind.LOGIN})
SESSION_ENDS = frozenset({Kind.LOGOUT, Kind.REVOKE_TOKEN, Kind.REVOKE_SESSION, Kind.REVOKE_USER,
                          Kind.REVOKE_MATCHING, Kind.REUSE, Kind.CUTOFF})  # fmt: skip


def write_csv(events: "QuerySet[Event]") -> Iterator[str]:
    """A header and one line for each event; formulas come out as text."""
    yield _line(COLUMNS)
    for event in _streamed(events):
        yield _line([harmless(_text(value)) for value in fields(event).values()])


def write_jsonl(events: "QuerySet[Event]") -> Iterator[str]:
    """One JSON object a line, with the columns of the CSV."""
    for event in _streamed(events):
        yield json.dumps(fields(event), ensure_ascii=False) + "\n"


def write_ecs(events: "QuerySet[Event]") -> Iterator[str]:
    """One ECS document a line, as Elastic, OpenSearch and most collectors take it."""
    for event in _streamed(events):
        yield json.dumps(ecs(event), ensure_ascii=False) + "\n"


def fields(event: Event) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "subject": event.subject_id,
        "subject_name": event.subject_name,
        "session": str(event.session_id) if event.session_id else None,
        "jti": event.jti,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "client": event.client,
        "request_id": event.request_id,
        "reason": event.reason,
        "count": event.count,
        "data": event.data,
    }


def ecs(event: Event) -> dict[str, Any]:
    types = ["start"] if event.kind in SESSION_STARTS else []
    types += ["end"] if event.kind in SESSION_ENDS else []
    document: dict[str, Any] = {
        "@timestamp": event.at.isoformat(),
        "ecs": {"version": "8.11.0"},
        "event": {
            "id": str(event.pk),
            "kind": "event",
            "category": ["authentication", "session"] if types else ["authentication"],
            "type": types or ["info"],
            "action": event.kind,
            "outcome": "failure" if event.kind in REFUSALS else "success",
            "reason": event.reason,
            "provider": "token-portal",
        },
        "user": {"name": event.actor_name},
        "source": {"ip": event.ip},
        "user_agent": {"original": event.user_agent},
        "http": {"request": {"id": event.request_id}},
        "token_portal": {
            "session": str(event.session_id) if event.session_id else None,
            "jti": event.jti,
            "client": event.client,
            "count": event.count,
            "data": event.data,
        },
    }
    if event.actor_id is not None:
        document["user"]["id"] = str(event.actor_id)
    if event.subject_id is not None or event.subject_name:
        document["user"]["target"] = {"id": str(event.subject_id), "name": event.subject_name}
    return document


def harmless(cell: str) -> str:
    """A cell that no spreadsheet runs: an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _text(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _streamed(events: "QuerySet[Event]") -> Iterator[Event]:
    return events.iterator(chunk_size=CHUNK)
