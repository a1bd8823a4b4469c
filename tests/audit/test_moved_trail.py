"""Seals that the other database made, before the trail was moved here."""

from uuid import UUID, uuid4

import pytest
from django.db import connection

from tests.audit.events import ids, sql, unguarded, write
from tokens.audit import chain
from tokens.audit.canonical import read_lines, respell
from tokens.audit.seal import _write
from tokens.audit.tampered import Tampered
from tokens.audit.verify import compare

pytestmark = pytest.mark.django_db


def seal_elsewhere() -> None:
    """Seal all events in the text of the other database."""
    key, last = chain.sealing_key(), ids()[-1]
    previous = chain.genesis(key)
    stretch = chain.start_stretch(key=key, number=1, previous=previous)
    for line in read_lines(after=0, through=last, limit=1000):
        stretch.add(respell(line))
    _write(stretch, key=key, previous=previous, number=1, after=0, through=last)


def differences() -> list[tuple[str, int | None]]:
    return [(one.what, one.event) for one in compare() if isinstance(one, Tampered)]


def write_some(number: int = 5) -> None:
    for _ in range(number):
        write(1, session=uuid4())


def test_seal_of_the_other_database_verifies():
    write_some()
    write(2)
    seal_elsewhere()
    assert differences() == []


def test_changed_event_of_a_moved_trail_is_the_only_one_that_is_named():
    write_some()
    seal_elsewhere()
    changed = ids()[2]
    with unguarded():
        sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", changed)
    assert differences() == [("changed", changed)]


def test_session_of_a_moved_trail_can_not_be_exchanged():
    write_some()
    seal_elsewhere()
    changed = ids()[2]
    with unguarded():
        sql("UPDATE tokens_event SET session_id = %s WHERE id = %s", uuid4().hex, changed)
    assert differences() == [("changed", changed)]


@pytest.mark.sqlite
def test_session_in_the_spelling_of_the_other_database_is_unreadable():
    write_some(3)
    seal_elsewhere()
    with unguarded(), connection.cursor() as cursor:
        cursor.execute("SELECT id, session_id FROM tokens_event")
        for event, session in cursor.fetchall():
            hyphens = str(UUID(session))
            sql("UPDATE tokens_event SET session_id = %s WHERE id = %s", hyphens, event)
    assert {what for what, _event in differences()} == {"unreadable"}
