"""The trail on its way out, line by line: memory does not grow with what is exported."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from tokens.audit.forms import FIELDS, ecs, plain
from tokens.audit.record import record
from tokens.models import Event, Kind

CHUNK = 2000
# What makes a spreadsheet take a cell for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = tuple[Any, ...]


def rows(events: "QuerySet[Event]", *, chunk: int = CHUNK) -> Iterator[Row]:
    """The values of `FIELDS`, oldest first, in short queries by key: no cursor and no
    transaction stays open for as long as somebody downloads."""
    page = events.order_by("at", "id").values_list(*FIELDS)
    found = list(page[:chunk])
    while found:
        yield from found
        if len(found) < chunk:
            return
        last_id, last_at = found[-1][0], found[-1][1]
        following = page.filter(at__gte=last_at).exclude(at=last_at, id__lte=last_id)
        found = list(following[:chunk])


def write_csv(events: "QuerySet[Event]") -> Iterator[str]:
    """RFC 4180, a header line first. A cell that a spreadsheet would run begins with a quote."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(FIELDS)
    for row in rows(events):
        shown = plain(row)
        shown["data"] = json.dumps(shown["data"], ensure_ascii=False)
        writer.writerow([harmless(value) for value in shown.values()])
        if buffer.tell() > 16_384:
            yield _emptied(buffer)
    yield _emptied(buffer)


def harmless(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def write_jsonl(events: "QuerySet[Event]") -> Iterator[str]:
    """One JSON object a line, with the trail's own names."""
    return (json.dumps(plain(row), ensure_ascii=False) + "\n" for row in rows(events))


def write_ecs(events: "QuerySet[Event]") -> Iterator[str]:
    """One JSON object a line, in the Elastic Common Schema."""
    return (json.dumps(ecs(row), ensure_ascii=False) + "\n" for row in rows(events))


FORMATS: dict[str, Callable[["QuerySet[Event]"], Iterator[str]]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "ecs": write_ecs,
}
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "ecs": "application/x-ndjson",
}
# What a name on a disk ends in, where it is not the form's own.
SUFFIXES = {"ecs": "ecs.jsonl"}


def file_name(form: str) -> str:
    return f"events-{timezone.now():%Y%m%d-%H%M%S}.{SUFFIXES.get(form, form)}"


def export(
    *, events: "QuerySet[Event]", form: str, actor: Any | None, filters: dict[str, Any]
) -> Iterator[str]:
    """Write down who takes what, then give it out, in one of `FORMATS`. Where the event cannot
    be written nothing leaves, so this is no generator itself: it has happened once it returns.
    What comes in later is left out; the export holds no event of itself."""
    write = FORMATS[form]
    newest = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    chosen = events.filter(pk__lte=newest)
    record(
        kind=Kind.EXPORTED,
        actor=actor,
        count=chosen.order_by().count(),
        data={"format": form, "filters": filters},
    )
    return write(chosen)
