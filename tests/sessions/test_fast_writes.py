"""A rotation and a login written by one statement leave the rows that the plain way leaves."""

from collections.abc import Callable
from copy import deepcopy

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from tests.support.clock import travel
from tests.support.tokens import pair_of
from tokens.db import clock
from tokens.jwt.signing import read
from tokens.models import BlacklistedToken, Event, OutstandingToken, Session, SessionToken
from tokens.origin import Origin, acting_from
from tokens.sessions import _issue, _rotation
from tokens.sessions.issue import plan_session, write_opening
from tokens.sessions.refresh import plan_rotation, rotate, write_under_lock
from tokens.validation import validate
from tokens.validation.token_context import EPOCH

pytestmark = pytest.mark.django_db
PHONE = Origin(ip="192.0.2.7", user_agent="Phone/1", client="app", request_id="request-1")
MODELS = (OutstandingToken, BlacklistedToken, Session, SessionToken, Event)


def rows_after(write: Callable[[], object]) -> dict[str, list[dict[str, object]]]:
    """Return the rows of all tables after ``write``, with keys by order, and roll it back."""
    with transaction.atomic():
        write()
        jtis = dict(OutstandingToken.objects.values_list("pk", "jti"))
        events = {pk: at for at, pk in enumerate(Event.objects.order_by("pk").values_list("pk"))}
        found = {}
        for model in MODELS:
            found[model.__name__] = rows = list(model.objects.order_by("pk").values())
            for row in rows:
                for name in ("token_id", "current_id", "previous_id"):
                    if row.get(name) is not None:
                        row[name] = jtis[row[name]]
                if model in (OutstandingToken, BlacklistedToken):
                    del row["id"]
                if model is Event:
                    row["id"] = events[(row["id"],)]
        transaction.set_rollback(True)
    return found


@pytest.mark.postgresql
def test_one_statement_writes_the_rotation_that_the_plain_way_writes(alice: User) -> None:
    first = pair_of(alice, tenant="north")
    with travel(timezone.now(), tick=False), acting_from(PHONE):
        context = validate(token=first.refresh).token_context
        assert context is not None
        rotation = plan_rotation(context=context, claims=read(first.refresh))
        plain, fast = deepcopy(rotation), deepcopy(rotation)
        plain_rows = rows_after(lambda: write_under_lock(plain))
        assert rows_after(lambda: _rotation.write_in_one_statement(fast)) == plain_rows
    assert len(plain_rows["OutstandingToken"]) == 2
    assert fast.successor.pk is not None
    assert fast.session.current == fast.successor


@pytest.mark.postgresql
def test_one_statement_writes_the_login_that_the_plain_way_writes(alice: User) -> None:
    with travel(timezone.now(), tick=False), acting_from(PHONE):
        opening = plan_session(
            account=alice, cutoff=EPOCH, now=clock.now(), claims={"tenant": "north"}
        )
        plain, fast = deepcopy(opening), deepcopy(opening)
        plain_rows = rows_after(lambda: write_opening(plain))
        assert rows_after(lambda: _issue.write_in_one_statement(fast)) == plain_rows
    assert [len(rows) for rows in plain_rows.values()] == [1, 0, 1, 1, 1]
    assert fast.session.current == fast.token


@pytest.mark.postgresql
def test_one_statement_writes_nothing_if_the_session_has_changed(alice: User) -> None:
    first = pair_of(alice)
    context = validate(token=first.refresh).token_context
    assert context is not None
    rotation = plan_rotation(context=context, claims=read(first.refresh))
    rotate(refresh=first.refresh)
    before = {model: model.objects.count() for model in MODELS}
    assert not _rotation.write_in_one_statement(rotation)
    assert {model: model.objects.count() for model in MODELS} == before


def test_planning_a_rotation_changes_neither_its_context_nor_the_database(
    alice: User, django_assert_num_queries
) -> None:
    first = pair_of(alice)
    context = validate(token=first.refresh).token_context
    assert context is not None
    before = deepcopy(context.session.__dict__)
    del before["_state"]
    with acting_from(PHONE), django_assert_num_queries(0):
        rotation = plan_rotation(context=context, claims=read(first.refresh))
    after = {name: value for name, value in context.session.__dict__.items() if name != "_state"}
    assert after == before
    assert rotation.session.rotations == context.session.rotations + 1
