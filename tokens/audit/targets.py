"""Record which sessions and users an act upon many ended.

The rows of `EventTarget` make the act a part of the trail of each of them. They are inserted in the
transaction of the act, a batch at a time. The event holds their number and a digest over them, so
its seal covers them too: `tokens.audit.verify` reports an event whose rows differ.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, Unpack
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.backends.utils import CursorWrapper

from tokens.audit.canonical import as_stored
from tokens.audit.record import EventFields, build_event, insert_beside, log_on_commit, write
from tokens.db.statements import AnyField, Params, Row, mark_written
from tokens.models import Event, EventTarget

# The key of a user as the database takes it.
Key: TypeAlias = int | str | UUID | None
# A session, or None, and the key of its user, or None.
Target: TypeAlias = tuple[UUID | None, Key]
# The member of `Event.data` that holds the number and the digest of an event's targets.
MEMBER = "targets"
TABLE, COLUMNS = EventTarget._meta.db_table, "(event_id, number, session_id, user_id)"
# Rows in one query.
PAGE = 10_000
# Less than any number in a column.
LOWEST = -(2**63)


def record_upon_many(*, targets: Iterable[Target], **fields: Unpack[EventFields]) -> Event:
    """Write an event and its targets, in the current transaction. Without any, only the event."""
    event = build_event(**fields)
    ordered = sorted(set(targets), key=_order)
    if not ordered:
        return write(event)
    event.data = {**event.data, MEMBER: describe(ordered)}
    if connection.vendor == "postgresql":
        _write_in_one_statement(event, ordered)
        log_on_commit(event)
    else:
        write(event)
        _insert(event, ordered)
    return event


def describe(targets: Sequence[Target]) -> dict[str, object]:
    """Return the number of the targets and the SHA-256 over their canonical lines."""
    digest = hashlib.sha256("".join(map(_line, targets)).encode())
    return {"count": len(targets), "digest": digest.hexdigest()}


def differing_events(*, after: int, through: int, declared: dict[int, object]) -> Iterator[int]:
    """Yield each event with ``after < id <= through`` whose rows are not the ones that it declares.

    ``declared`` has what `describe` returned, by event, for the events that declare targets.
    """
    missing = set(declared)
    for event, digest, count in _digests(after, through):
        missing.discard(event)
        if declared.get(event) != {"count": count, "digest": digest}:
            yield event
    yield from sorted(missing)


def listed_above(last: int) -> list[int | None]:
    """Return the events after ``last`` that have rows; None for ids that are no numbers.

    SQLite stores any value in any column, and orders text and blobs after all numbers.
    """
    event = "event_id"
    if connection.vendor != "postgresql":
        event = "CASE WHEN typeof(event_id) = 'integer' THEN event_id END"
    with connection.cursor() as cursor:
        query = f"SELECT DISTINCT {event} FROM {TABLE} WHERE event_id > %s ORDER BY 1"  # noqa: S608
        cursor.execute(query, [last])
        return [row[0] for row in cursor]


def _order(target: Target) -> tuple[int, str]:
    session, user = target
    return (session.int if session is not None else -1, str(user))


def _line(target: Target) -> str:
    session, user = target
    return f"{session.hex if session is not None else ''}\t{_escape(user)}\n"


def _escape(value: object) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    return "=" + str(value).replace("\\", "\\\\").replace("\n", "\\n")


def _user_field() -> AnyField:
    field: AnyField = EventTarget._meta.get_field("user").target_field
    return field


def _columns(targets: Sequence[Target]) -> tuple[list[UUID | None], list[Key]]:
    """Return the sessions, and the users as the database takes them."""
    user = _user_field()
    users: list[Key] = [user.get_db_prep_value(key, connection) for _session, key in targets]
    return [session for session, _user in targets], users


def _write_in_one_statement(event: Event, targets: Sequence[Target]) -> None:
    """Insert the event and its rows (PostgreSQL)."""
    insert = insert_beside()
    params: Params = [*insert.parameters(event), *_columns(targets)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH event AS ({insert.sql} RETURNING id),"  # noqa: S608
            f" listed AS (INSERT INTO {TABLE} {COLUMNS} SELECT event.id, n, s, u FROM event,"
            f" unnest(%s::uuid[], %s::{_user_field().rel_db_type(connection)}[])"
            " WITH ORDINALITY AS t (s, u, n))"
            " SELECT id FROM event",
            params,
        )
        (key,) = cursor.fetchone()
    mark_written(event, key)


def _insert(event: Event, targets: Sequence[Target]) -> None:
    """Insert the rows of an event that is written."""
    sessions, users = _columns(targets)
    rows = [
        (event.pk, number, session.hex if session is not None else None, key)
        for number, (session, key) in enumerate(zip(sessions, users, strict=True), 1)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {TABLE} {COLUMNS} VALUES (%s, %s, %s, %s)", rows)  # noqa: S608


def _digests(after: int, through: int) -> Iterator[tuple[int, str, int]]:
    """Yield the event, the digest and the number of its rows, for the events that have rows."""
    event, lines, count = 0, hashlib.sha256(), 0
    for of, number, line in _stored_lines(after, through):
        if of != event:
            if count:
                yield event, lines.hexdigest(), count
            event, lines, count = of, hashlib.sha256(), 0
        count += 1
        # A row with a wrong number changes the digest.
        lines.update((line if number == count else f"{number} {line}").encode())
    if count:
        yield event, lines.hexdigest(), count


def _stored_lines(after: int, through: int) -> Iterator[tuple[int, int, str]]:
    """Yield the event, the number and the canonical line of each row, in the order of the key.

    SQLite stores any value in any column, and equal values in several spellings of which a filter
    finds one. A value that the portal would write in another way gives another line.
    """
    session: AnyField = EventTarget._meta.get_field("session_id")
    user = _user_field()
    raw = connection.vendor != "postgresql"
    with connection.cursor() as cursor:
        for event, number, *values in _pages(cursor, after, through):
            if not raw:
                key = values[1]
                known = key is None or isinstance(key, int)
                yield event, number, _line((values[0], key if known else user.to_python(key)))
                continue
            sid, key = (
                _as_written(field, value)
                for field, value in zip((session, user), values, strict=True)
            )
            text = sid.hex if isinstance(sid, UUID) else "" if sid is None else f"?{sid}"
            yield event, number, f"{text}\t{_escape(key)}\n"


def _pages(cursor: CursorWrapper, after: int, through: int) -> Iterator[Row]:
    """Yield the rows, a page at a time."""
    raw = connection.vendor != "postgresql"
    names = ("number", "session_id", "user_id")
    columns = ", ".join(as_stored(name) if raw else name for name in names)
    edge = (after + 1, LOWEST)
    while True:
        cursor.execute(
            f"SELECT event_id, {columns} FROM {TABLE} "  # noqa: S608
            "WHERE (event_id, number) > (%s, %s) AND event_id <= %s "
            "ORDER BY event_id, number LIMIT %s",
            [*edge, through, PAGE],
        )
        page = cursor.fetchall()
        yield from page
        if len(page) < PAGE:
            return
        edge = page[-1][:2]


def _as_written(field: AnyField, value: object) -> object:
    """Return what the portal reads from a column, or a text that it never writes.

    ``value`` is what `as_stored` returns: bytes for a text.
    """
    try:
        if isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, str):
            return f"?{value}"
        read = field.to_python(value)
        if field.get_db_prep_value(read, connection) == value:
            return read
    except (TypeError, ValueError, OverflowError, ValidationError):
        pass
    return f"?{value!r}"
