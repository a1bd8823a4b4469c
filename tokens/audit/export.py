"""Export the trail as a stream: memory use doesn't grow with the number of events."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from django.db.models import F, Max

from tokens.audit.record import record
from tokens.audit.serializers import FIELDS, Row, to_ecs, to_json
from tokens.db import clock
from tokens.listing.events import KEY
from tokens.listing.pagination import beyond
from tokens.models import Event, Kind
from tokens.origin import Actor

if TYPE_CHECKING:
    from django.db.models import QuerySet

CHUNK = 2000
BYTE_ORDER_MARK = "\ufeff"
# Some readers end a line at these characters, which JSON allows in text.
LINE_ENDS = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})
# A spreadsheet reads a cell that begins with one of these as a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def rows(events: "QuerySet[Event]", *, chunk: int = CHUNK) -> Iterator[Row]:
    """Yield the values of `FIELDS`, oldest first.

    Each ``chunk`` is a query by key, so no cursor and no transaction stays open during a
    download.
    """
    columns = [F(name) if name in KEY else name for name in FIELDS]
    page = events.order_by("at", "id").values_list(*columns)
    found = list(page[:chunk])
    while found:
        yield from found
        if len(found) < chunk:
            return
        last_id, last_at = found[-1][0], found[-1][1]
        found = list(page.filter(beyond(Event, KEY, (last_at, last_id), down=False))[:chunk])


def write_csv(events: "QuerySet[Event]") -> Iterator[str]:
    """Yield CSV (RFC 4180) with a header line. A cell that looks like a formula is quoted.

    The text begins with a byte-order mark, without which spreadsheets don't read it as UTF-8.
    """
    yield BYTE_ORDER_MARK
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(FIELDS)
    for row in rows(events):
        event = to_json(row)
        cells = {**event, "data": json.dumps(event["data"], ensure_ascii=False)}
        writer.writerow([escape_formula(value) for value in cells.values()])
        if buffer.tell() > 16_384:
            yield _take(buffer)
    yield _take(buffer)


def escape_formula(value: object) -> str:
    """Return a cell as text, with a leading quote if a spreadsheet would run it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _take(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _json_line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).translate(LINE_ENDS) + "\n"


def write_jsonl(events: "QuerySet[Event]") -> Iterator[str]:
    """Yield one JSON object for each line, with the trail's own names."""
    return (_json_line(to_json(row)) for row in rows(events))


def write_ecs(events: "QuerySet[Event]") -> Iterator[str]:
    """Yield one JSON object for each line, in the Elastic Common Schema."""
    return (_json_line(to_ecs(row)) for row in rows(events))


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
# File name extensions that differ from the name of the format.
EXTENSIONS = {"ecs": "ecs.jsonl"}


def file_name(form: str) -> str:
    """Return a file name for an export in the format ``form``."""
    return f"events-{clock.now():%Y%m%d-%H%M%S}.{EXTENSIONS.get(form, form)}"


def export(
    *,
    events: "QuerySet[Event]",
    form: str,
    actor: Actor,
    filters: Mapping[str, object],
) -> Iterator[str]:
    """Record the export, then return its text in the format ``form``, one of `FORMATS`.

    The event is written before this returns (this is no generator), so nothing is exported
    without one. The export ends at the newest event of that moment, and doesn't contain itself.
    """
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
