"""Read events in the canonical form that the seals are made of.

The canonical form of an event is one line of PostgreSQL's ``COPY … TO STDOUT``: tab-separated
and escaped, so that two different rows never give the same line. PostgreSQL writes these lines
itself, at a tenth of the cost of building rows in Python. On SQLite this module builds the same
lines. A value that is too long to print is in the line by its length only: the portal never writes
one, so its event is reported, whatever the value is.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from ipaddress import ip_address
from typing import TypeAlias
from uuid import UUID

from django.db import connection
from django.db.models import IntegerField, UUIDField

from tokens.db.printable import DEEPEST, LONGEST, is_printable, json_size, octets
from tokens.models import Event
from tokens.models.readable import EARLIEST, LATEST, is_address, read_object

COLUMNS = (
    "kind", "actor_id", "actor_name", "subject_id", "subject_name", "session_id", "jti", "ip",
    "user_agent", "client", "request_id", "reason", "count", "data",
)  # fmt: skip
SESSION, ADDRESS, COUNT = map(COLUMNS.index, ("session_id", "ip", "count"))
USERS = tuple(map(COLUMNS.index, ("actor_id", "subject_id")))
# A line begins with the id and the time.
FIRST_COLUMN = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# COPY escapes these characters.
ESCAPES = str.maketrans(
    {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
)
# Begins a value that the portal never writes. No escaped text begins like this.
FOREIGN = "\\?"
# An object of this length is not too deep, and has no number that is too long.
SHORT = 2 * DEEPEST
# jsonb ends nothing but an object with this.
BRACE = ord("}")

# The id, the time in microseconds since 1970, and the canonical line, which contains both. The
# time is None if the portal can't read the event.
CanonicalLine: TypeAlias = tuple[int, int | None, bytes]


def read_lines(*, after: int, through: int, limit: int) -> Iterator[CanonicalLine]:
    """Yield up to ``limit`` events with ``after < id <= through``, ordered by id."""
    if connection.vendor == "postgresql":
        yield from _copy_lines(after, through, limit)
    else:
        yield from _build_lines(after, through, limit)


def _copy_lines(after: int, through: int, limit: int) -> Iterator[CanonicalLine]:
    # Times are numbers here, because their text depends on settings of the server. The number of
    # an infinite time is infinite.
    *names, data = COLUMNS
    columns = ", ".join(f'"{name}"' for name in names)
    # JSON begins with no such mark.
    printed = f"CASE WHEN {is_printable(data)} THEN {data}::text ELSE '?' || {json_size(data)} END"
    query = (
        f"COPY (SELECT id, trunc(extract(epoch FROM at) * 1000000), {columns}, {printed} "  # noqa: S608
        f"FROM tokens_event WHERE id > {int(after)} AND id <= {int(through)} "
        f"ORDER BY id LIMIT {int(limit)}) TO STDOUT"
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        rest = b""
        for block in copy:
            *complete, rest = (rest + bytes(block)).split(b"\n")
            for line in complete:
                event_id, at, _columns = line.split(b"\t", 2)
                # Times of these years have 16 digits. The data are last.
                if len(at) == 16 and line[-1] == BRACE and len(line) - line.rindex(b"\t") <= SHORT:
                    yield int(event_id), int(at), line
                else:
                    readable = at[-1:].isdigit() and _holds_object(line)
                    yield int(event_id), _readable(int(at)) if readable else None, line


def respell(line: CanonicalLine) -> CanonicalLine:
    """Return the line as the other database writes it, for a trail that was moved from there.

    SQLite stores a UUID as 32 digits, and PostgreSQL prints it with hyphens. Each also has its own
    spelling of a few addresses; in SQLite, those that PostgreSQL printed are stored as they were.
    """
    event_id, at, text = line
    fields = text.split(b"\t")
    for place in _places_of_uuids():
        fields[place] = _other_uuid(fields[place])
    if connection.vendor == "postgresql":
        address = fields[FIRST_COLUMN + ADDRESS].decode()
        if ":" in address and is_address(address):
            fields[FIRST_COLUMN + ADDRESS] = str(ip_address(address)).encode()
    return event_id, at, b"\t".join(fields)


def _other_uuid(field: bytes) -> bytes:
    if connection.vendor == "postgresql":
        return field.replace(b"-", b"")
    return str(UUID(field.decode())).encode() if _is_hexadecimal(field) else field


@cache
def _places_of_uuids() -> tuple[int, ...]:
    """Return which fields of a line are UUIDs: the session, and accounts with such a key."""
    key = Event._meta.get_field("actor").target_field
    users = USERS if isinstance(key, UUIDField) else ()
    return tuple(FIRST_COLUMN + place for place in (SESSION, *users))


def _holds_object(line: bytes) -> bool:
    """Return whether the data are an object that the portal can read."""
    begin = line.rindex(b"\t") + 1
    # jsonb has no other characters that COPY escapes.
    return read_object(line[begin:].replace(b"\\\\", b"\\").decode()) is not None


def _build_lines(after: int, through: int, limit: int) -> Iterator[CanonicalLine]:
    columns = ", ".join(as_stored(f'"{name}"') for name in ("at", *COLUMNS))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {columns} FROM {Event._meta.db_table} "  # noqa: S608
            "WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",
            [after, through, limit],
        )
        for event_id, at, *values, data in cursor:
            micros = _parse_micros(at)
            fields = [*map(_field, values)]
            written = _canonical_json(data)
            readable = micros is not None and written is not None and _are_written(values)
            fields = [
                str(event_id),
                _foreign(at) if micros is None else str(micros),
                *fields,
                _foreign(data) if written is None else written,
            ]
            line = "\t".join(fields).encode(errors="surrogatepass")
            yield event_id, micros if readable else None, line


def as_stored(column: str) -> str:
    """Return SQL for what SQLite stores in a column, which may have any type.

    The value of a text is its bytes, and the value of bytes is their text in SQL. The value of a
    text or bytes that are too long is the type and the length.
    """
    return (
        f"CASE WHEN {octets(column)} > {LONGEST} THEN typeof({column}) || ' ' || {octets(column)}"
        f" WHEN typeof({column}) = 'text' THEN CAST({column} AS BLOB)"
        f" WHEN typeof({column}) = 'blob' THEN quote({column}) ELSE {column} END"
    )


def _field(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape").translate(ESCAPES)
    return str(value) if isinstance(value, int) else _foreign(value)


def _foreign(value: object) -> str:
    return FOREIGN + repr(value).translate(ESCAPES)


def _are_written(values: list[object]) -> bool:
    """Return whether the portal writes values such as these in the columns before the data."""
    session, address = values[SESSION], values[ADDRESS]
    return (
        all(_is_text(v) for v in values if not isinstance(v, int | None))
        and isinstance(values[COUNT], int)
        and all(isinstance(values[at], _user_key_type() | None) for at in USERS)
        and (session is None or _is_hexadecimal(session))
        and (address is None or _is_address(address))
    )


@cache
def _user_key_type() -> type[int] | type[bytes]:
    key = Event._meta.get_field("actor").target_field
    return int if isinstance(key, IntegerField) else bytes


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, bytes) and value.decode() is not None
    except UnicodeDecodeError:
        return False


def _is_hexadecimal(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32 and not value.strip(b"0123456789abcdef")


@lru_cache(maxsize=1024)
def _is_address(value: object) -> bool:
    return isinstance(value, bytes) and is_address(value.decode(errors="replace"))


def _parse_micros(stored: object) -> int | None:
    """Return a time that is stored as Django writes it; None for any other value."""
    try:
        text = stored.decode() if isinstance(stored, bytes) else ""
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is not None or str(at) != text:
        return None
    return _readable(to_micros(at.replace(tzinfo=UTC)))


def _readable(micros: int) -> int | None:
    return micros if FIRST < micros < LAST else None


def to_micros(at: datetime) -> int:
    """Return the time as microseconds since 1970."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


FIRST, LAST = to_micros(EARLIEST), to_micros(LATEST)


def _canonical_json(stored: object) -> str | None:
    """Return an object in jsonb's order of members, shorter names first.

    It is None for anything but an object that is stored as the portal writes it: with another
    spelling, or with a name twice, the same object could be stored in several ways.
    """
    if stored == b"{}":
        return "{}"
    try:
        text = stored.decode() if isinstance(stored, bytes) else ""
    except UnicodeDecodeError:
        return None
    value = read_object(text)
    if value is None or json.dumps(value) != text:
        return None
    return json.dumps(_sort_members(value), ensure_ascii=False).translate(ESCAPES)


def _sort_members(value: object) -> object:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _sort_members(value[name]) for name in names}
    return [_sort_members(item) for item in value] if isinstance(value, list) else value
