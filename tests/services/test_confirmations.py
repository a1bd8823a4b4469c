"""A service confirms what it knows by asking with the cursor of an answer."""

import threading

import pytest
from django.db import connection, transaction

from tests.services.test_credentials import basic
from tests.support.tokens import pair_of
from tokens.models import Service
from tokens.revocation import revoke_session
from tokens.services import confirmations
from tokens.services.registry import add_service

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def poll(api, db):
    """``poll(after) -> cursor``, as the service "billing"."""
    made = add_service(name="billing", may_introspect=False, may_read_feed=True)
    header = basic("billing", made.secret)

    def ask(after=""):
        return api.get("/api/revocations", {"after": after} if after else {}, **header).json()

    return ask


@pytest.fixture(autouse=True)
def _no_margin(monkeypatch):
    """Without it, a test would have to wait for this long."""
    monkeypatch.setattr(confirmations, "STAMPED_BEFORE", confirmations.STAMPED_BEFORE * 0)


def confirmed():
    return Service.objects.get().confirmed_at


def end(session):
    revoke_session(session=session, actor=None, reason="why")
    session.refresh_from_db()
    return session.revoked_at


def test_first_answer_confirms_nothing_and_the_next_question_does(poll):
    first = poll()
    assert confirmed() is None
    poll(first["cursor"])
    assert confirmed().timestamp() >= first["as_of"]


def test_revocation_is_confirmed_when_the_service_asks_again_after_it(poll, alice):
    cursor = poll()["cursor"]
    poll(cursor)
    at = end(pair_of(alice).session)
    answer = poll(cursor)
    assert answer["revocations"]
    assert confirmed() < at
    poll(answer["cursor"])
    assert confirmed() > at


def test_answer_of_several_pages_confirms_nothing_before_the_last(poll, alice, monkeypatch):
    monkeypatch.setattr("tokens.services.feed.PAGE", 1)
    monkeypatch.setattr("tokens.services.feed.read_feed.__kwdefaults__", {"after": "", "size": 1})
    cursor = poll()["cursor"]
    at = [end(pair_of(alice).session) for _ in range(3)][-1]
    for _ in range(3):
        answer = poll(cursor)
        assert answer["revocations"]
        cursor = answer["cursor"]
        assert confirmed() is None or confirmed() < at
    while (answer := poll(cursor))["cursor"] != cursor:
        cursor = answer["cursor"]
    assert confirmed() > at


@pytest.mark.postgresql
def test_revocation_that_is_not_committed_is_not_confirmed(poll, alice):
    """Its instant is earlier than the poll, which can't see it."""
    session = pair_of(alice).session
    revoked, go_on = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            revoke_session(session=session, actor=None, reason="why")
            revoked.set()
            go_on.wait(30)
        connection.close()

    cursor = poll()["cursor"]
    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert revoked.wait(30)
        poll(cursor)
        early = confirmed()
    finally:
        go_on.set()
        holder.join()
    session.refresh_from_db()
    assert early < session.revoked_at
    poll(poll(cursor)["cursor"])
    assert confirmed() > session.revoked_at


def test_idle_service_confirms_again_after_a_while(poll):
    cursor = poll()["cursor"]
    poll(cursor)
    before = confirmed()
    poll(cursor)
    assert confirmed() == before
    Service.objects.update(confirmed_at=before - confirmations.STORED_EVERY * 2)
    assert poll(cursor)["revocations"] == []
    assert confirmed() >= before
