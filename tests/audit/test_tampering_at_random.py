"""Change a sealed trail at random places; verify must name the first changed event."""

import json

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit.events import seal, sql, unguarded, verify
from tests.support.effort import times
from tokens.models import Event

pytestmark = pytest.mark.django_db
AT_RANDOM = settings(
    max_examples=times(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
COLUMNS = [field.column for field in Event._meta.local_concrete_fields if field.column != "id"]
# Ids of transactions that were rolled back.
GAPS = {4, 9, 10, 11, 22, 30}
KEPT = sorted(set(range(1, 41)) - GAPS)
PLACES = st.sampled_from(KEPT)


@pytest.fixture
def sealed(db):
    Event.objects.bulk_create(
        Event(
            pk=number, kind="refresh", actor_id=7, actor_name="alice", subject_id=7,
            subject_name="alice", session_id="6f1c2c1e-6f63-4bb6-9f0b-2d1f57f5a9a1", jti="abc",
            ip="10.0.0.1", user_agent="Phone\t/1", client="app", request_id="r", reason="a\\b\n",
            count=1, data={"presented": "äöü", "a": [1, None]},
        )
        for number in KEPT
    )  # fmt: skip
    if connection.vendor == "postgresql":
        sql("SELECT setval(pg_get_serial_sequence('tokens_event', 'id'), 40)")
    seal(size=12)
    with unguarded():
        yield


def other_byte(place, column, seed):
    """Make the smallest change: one byte of a text, the next number, the next microsecond."""
    value = Event.objects.values_list(column, flat=True).get(pk=place)
    if column == "at":
        changed = value.replace(microsecond=(value.microsecond + 1 + seed) % 1_000_000)
    elif column == "data":
        changed = {**value, "presented": value["presented"][:-1] + chr(97 + seed % 26)}
    elif column == "session_id":
        changed = str(value)[:-1] + ("2" if seed % 2 else "3")
    elif column == "ip":
        changed = f"10.0.0.{2 + seed % 200}"
    elif isinstance(value, int):
        changed = value + 1 + seed
    else:
        at = seed % len(value)
        changed = value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]
    Event.objects.filter(pk=place).update(**{column: changed})


def delete(first, number):
    sql("DELETE FROM tokens_event WHERE id >= %s AND id < %s", first, first + number)


def insert(place):
    row = Event.objects.order_by("pk").first()
    if row is not None and not Event.objects.filter(pk=place).exists():
        row.pk = place
        row.save(force_insert=True)


def move(one, other):
    for was, now in ((one, 10**9), (other, one), (10**9, other)):
        sql("UPDATE tokens_event SET id = %s WHERE id = %s", now, was)


def cut_the_end(number):
    sql("DELETE FROM tokens_event WHERE id > %s", 40 - number)


ACTS = st.one_of(
    st.tuples(st.just(other_byte), PLACES, st.sampled_from(COLUMNS), st.integers(0, 500)),
    st.tuples(st.just(delete), PLACES, st.integers(1, 15)),
    st.tuples(st.just(insert), st.sampled_from(sorted(GAPS))),
    st.tuples(st.just(move), PLACES, st.sampled_from([*KEPT, *sorted(GAPS)])),
    st.tuples(st.just(cut_the_end), st.integers(1, 40)),
)


def rows():
    return {row["id"]: json.dumps(row, default=str) for row in Event.objects.values()}


def first_difference(before, after):
    for place in sorted(before.keys() | after.keys()):
        if place not in after:
            return "removed", place
        if place not in before:
            return "added", place
        if before[place] != after[place]:
            return "changed", place
    return None


@AT_RANDOM
@given(acts=st.lists(ACTS, min_size=1, max_size=3))
def test_verify_names_the_first_of_several_differences(sealed, acts):
    before = rows()
    with transaction.atomic():
        for act, *where in acts:
            if act is other_byte and not Event.objects.filter(pk=where[0]).exists():
                continue
            act(*where)
        found, expected = verify(), first_difference(before, rows())
        transaction.set_rollback(True)
    assert (found and (found.what, found.event)) == expected


@pytest.mark.sqlite
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", ["'x'", "'2020-13-45 00:00:00'", "5", "-1.5", "X'ff00fe'", "''"])
def test_verify_names_a_value_of_a_wrong_type(sealed, column, value):
    """SQLite stores any type in any column."""
    with transaction.atomic():
        sql("PRAGMA ignore_check_constraints = on")
        sql(f"UPDATE tokens_event SET {column} = {value} WHERE id = 17")
        found = verify()
        transaction.set_rollback(True)
    sql("PRAGMA ignore_check_constraints = off")
    assert (found.what, found.event) == ("changed", 17)
