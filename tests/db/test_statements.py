"""Instances out of a hand-written statement's rows are what the ORM would have made of them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_init

from tokens.db.statements import Columns, copy_of, fetch_all
from tokens.models import Session
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db


def read(columns: Columns, model: Any) -> list[Any]:
    rows = fetch_all(f"SELECT {columns.sql} FROM {model._meta.db_table} t", [])
    return [columns.instance(row) for row in rows]


def test_instance_from_a_row_equals_the_one_of_the_orm(alice: User) -> None:
    session = open_session(user=alice).session
    (found,) = read(Columns(Session, "t"), Session)
    assert found == session
    assert {f.attname: getattr(found, f.attname) for f in Session._meta.concrete_fields} == (
        Session.objects.values().get()
    )
    found.client = "kiosk"
    found.save()
    assert Session.objects.get().client == "kiosk"


def test_column_that_was_not_selected_loads_when_it_is_read(
    alice: User, django_assert_num_queries
) -> None:
    open_session(user=alice)
    (found,) = read(Columns(Session, "t", without=frozenset({"client"})), Session)
    assert found.get_deferred_fields() == {"client"}
    with django_assert_num_queries(1):
        assert found.client == ""


def test_hooks_and_signals_run_when_an_instance_is_made(alice: User) -> None:
    made = []

    def note(instance: User, **_: Any) -> None:
        made.append(instance)

    post_init.connect(note, sender=User)
    try:
        found = read(Columns(User, "t"), User)
    finally:
        post_init.disconnect(note, sender=User)
    assert made == found == [alice]


def test_row_missing_from_an_outer_join_is_none() -> None:
    columns = Columns(User, "t")
    assert columns.instance([None] * columns.width) is None


def test_copy_of_an_instance_is_independent_of_it(alice: User) -> None:
    session = open_session(user=alice).session
    copied = copy_of(session)
    assert vars(copied) | {"_state": None} == vars(session) | {"_state": None}
    assert vars(copied._state) == vars(session._state)
    copied.current = None
    copied.rotations += 1
    assert session.current is not None
    assert copied.rotations == session.rotations + 1
