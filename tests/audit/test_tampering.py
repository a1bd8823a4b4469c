"""Tamper with the trail, with every right on the database and without the key."""

import hashlib

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.events import ids, seal, sql, unguarded, verify, write
from tests.support.effort import times
from tokens.models import Event, Seal

pytestmark = pytest.mark.django_db

AT_RANDOM = settings(
    max_examples=times(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = ("reason", "jti", "user_agent", "client", "request_id", "actor_name", "subject_name", "kind")


@pytest.fixture
def sealed(db):
    write(30)
    seal(size=10)
    with unguarded():
        yield ids()


def undone(act, **options):
    """Return what verify finds after ``act``, and undo it."""
    with transaction.atomic():
        act()
        found = verify(**options)
        transaction.set_rollback(True)
    return found


@AT_RANDOM
@given(
    place=st.integers(0, 29),
    column=st.sampled_from(TEXT),
    text=st.text("abc=1", min_size=1, max_size=9),
)
def test_verify_names_an_event_with_a_changed_text(sealed, place, column, text):
    event = sealed[place]
    found = undone(lambda: sql(f"UPDATE tokens_event SET {column} = %s WHERE id = %s", text, event))
    assert (found.what, found.event) == ("changed", event)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 7},
        {"data": {"a": 1}},
        {"ip": "10.9.8.7"},
        {"session_id": "6f1c2c1e-6f63-4bb6-9f0b-2d1f57f5a9a1"},
        {"actor_id": 4711},
        {"subject_id": 4711},
        {"at": "2020-01-01T00:00:00Z"},
    ],
)
def test_verify_names_an_event_with_any_changed_column(sealed, change):
    found = undone(lambda: Event.objects.filter(pk=sealed[17]).update(**change))
    assert (found.what, found.event) == ("changed", sealed[17])


@AT_RANDOM
@given(place=st.integers(0, 29))
def test_verify_names_a_removed_event(sealed, place):
    event = sealed[place]
    found = undone(lambda: sql("DELETE FROM tokens_event WHERE id = %s", event))
    assert (found.what, found.event) == ("removed", event)


@AT_RANDOM
@given(place=st.integers(0, 29))
def test_verify_names_a_replaced_event(sealed, place):
    """Delete an event and insert another one with its id."""
    event = sealed[place]

    def add():
        row = Event.objects.get(pk=event)
        sql("DELETE FROM tokens_event WHERE id = %s", event)
        row.pk, row.reason = event, "forged"
        row.save(force_insert=True)

    found = undone(add)
    assert (found.what, found.event) == ("changed", event)


def test_verify_names_an_event_added_in_a_gap(db):
    Event.objects.bulk_create([Event(pk=n, kind="refresh") for n in (5, 6, 9, 12)])
    if connection.vendor == "postgresql":
        sql("SELECT setval(pg_get_serial_sequence('tokens_event', 'id'), 12)")
    seal()
    with unguarded():
        found = undone(lambda: Event(pk=7, kind="refresh").save(force_insert=True))
    assert (found.what, found.event) == ("added", 7)


@AT_RANDOM
@given(pair=st.lists(st.integers(0, 29), min_size=2, max_size=2, unique=True))
def test_verify_names_the_first_of_two_swapped_events(sealed, pair):
    first, second = sorted(sealed[place] for place in pair)

    def swap():
        for was, now in ((first, 10**9), (second, first), (10**9, second)):
            sql("UPDATE tokens_event SET id = %s WHERE id = %s", now, was)

    found = undone(swap)
    assert (found.what, found.event) == ("changed", first)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_verify_names_a_forged_seal(sealed, number):
    """Change an event and recompute everything that needs no key."""

    def forge():
        row = Seal.objects.get(number=number)
        Event.objects.filter(pk=row.through_id if number < 3 else sealed[-1]).update(reason="x")
        tip = hashlib.sha256(b"whatever").hexdigest()
        Seal.objects.filter(number=number).update(tip=tip, digest=tip)

    assert (undone(forge).what, undone(forge).seal) == ("seal", number)


def test_verify_names_a_removed_seal(sealed):
    assert undone(lambda: sql("DELETE FROM tokens_seal WHERE number = 2")).seal == 2


def test_verify_refuses_a_removal_without_testimony(sealed):
    def pretend():
        sql("DELETE FROM tokens_event WHERE id <= %s", sealed[9])
        sql("UPDATE tokens_seal SET removed_through = 1 WHERE number = 3")

    found = undone(pretend)
    assert (found.what, found.seal) == ("seal", 3)


def test_removed_newest_seal_shows_against_a_kept_seal(sealed):
    kept = Seal.objects.get(number=3)

    def cut():
        sql("DELETE FROM tokens_event WHERE id > %s", sealed[19])
        sql("DELETE FROM tokens_seal WHERE number = 3")

    assert undone(cut) is None
    found = undone(cut, against={3: kept.digest})
    assert (found.what, found.seal) == ("seal", 3)
    assert verify(against={3: kept.digest}) is None
