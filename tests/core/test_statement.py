"""Instances out of a hand-written statement's rows are what the ORM would have made of them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_init

from tokens.issuing import open_session
from tokens.models import Session
from tokens.selectors.statement import Columns, fetch_all

pytestmark = pytest.mark.django_db


def read(columns: Columns, model: Any) -> list[Any]:
    rows = fetch_all(f"SELECT {columns.sql} FROM {model._meta.db_table} t", [])
    return [columns.instance(row) for row in rows]


def test_an_instance_is_the_orms(alice: User) -> None:
    session = open_session(user=alice).session
    (found,) = read(Columns(Session, "t"), Session)
    assert found == session
    assert {f.attname: getattr(found, f.attname) for f in Session._meta.concrete_fields} == (
        Session.objects.values().get()
    )
    found.client = "kiosk"
    found.save()
    assert Session.objects.get().client == "kiosk"


def test_a_column_that_was_not_asked_for_loads_when_it_is_read(
    alice: User, django_assert_num_queries
) -> None:
    open_session(user=alice)
    (found,) = read(Columns(Session, "t", without=frozenset({"client"})), Session)
    assert found.get_deferred_fields() == {"client"}
    with django_assert_num_queries(1):
        assert found.client == ""


def test_who_takes_part_in_making_an_instance_is_asked(alice: User) -> None:
    made = []

    def note(instance: User, **_: Any) -> None:
        made.append(instance)

    post_init.connect(note, sender=User)
    try:
        found = read(Columns(User, "t"), User)
    finally:
        post_init.disconnect(note, sender=User)
    assert made == found == [alice]


def test_a_row_that_an_outer_join_did_not_find_is_none() -> None:
    columns = Columns(User, "t")
    assert columns.instance([None] * columns.width) is None
