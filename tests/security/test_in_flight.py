"""A revocation also ends concurrent refreshes and logins (invariant 7).

Each act runs against a refresh and a login that are held before each of their writes, and the
other way round.
"""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from tests.support.database.interleave import held
from tests.support.tokens import failed, pair_of
from tokens.models import Session
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_session, revoke_user
from tokens.sessions.issue import IssuedPair, LoginSuperseded
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected

pytestmark = pytest.mark.django_db(transaction=True)


def save(user, **changes):
    fresh = get_user_model().objects.get(pk=user.pk)
    for name, value in changes.items():
        setattr(fresh, name, value)
    fresh.save()


def users(user):
    return Selection(users=(user.pk,))


OF_USER = {
    "revoke_user": lambda user: revoke_user(user=user, actor=None, reason="x"),
    "revoke_matching": lambda user: revoke_matching(selection=users(user), actor=None, reason="x"),
    "cut_off": lambda user: cut_off(user=user, not_before=timezone.now(), actor=None, reason="x"),
    "everybody": lambda user: cut_off(not_before=timezone.now(), actor=None, reason="x"),
    "password": lambda user: save(user, password="argon2$other"),
    "deactivate": lambda user: save(user, is_active=False),
    "delete": lambda user: get_user_model().objects.get(pk=user.pk).delete(),
}
OF_SESSION = OF_USER | {
    "revoke_session": lambda user: revoke_session(
        session=Session.objects.get(), actor=None, reason="x"
    ),
}
# PostgreSQL is handed all that a rotation writes in one statement, which holds nothing before; a
# login holds the account first.
ROTATION = {
    "postgresql": ("WITH locked AS",),
    "sqlite": (
        'INSERT INTO "token_blacklist_outstandingtoken"',
        'INSERT INTO "token_blacklist_blacklistedtoken"',
        'INSERT INTO "tokens_sessiontoken"',
        'UPDATE "tokens_session"',
        'INSERT INTO "tokens_event"',
    ),
}[connection.vendor]
# PostgreSQL ends sessions and enters them among the revoked in one.
ENDING = {"postgresql": "WITH ended AS", "sqlite": 'UPDATE "tokens_session"'}[connection.vendor]
LOGIN = {
    "postgresql": ("WITH token AS",),
    "sqlite": (
        'INSERT INTO "tokens_sessiontoken"',
        'INSERT INTO "token_blacklist_outstandingtoken"',
        'INSERT INTO "tokens_session"',
        'INSERT INTO "tokens_event"',
    ),
}[connection.vendor]


# PostgreSQL writes an event about several sessions in one statement with their ids.
EVENT = ('INSERT INTO "tokens_event"', "WITH event AS")


def dead(pair):
    return failed(pair.refresh) is not None and failed(pair.access) is not None


@pytest.mark.parametrize("act", OF_SESSION)
@pytest.mark.parametrize("at", ROTATION)
def test_a_refresh_in_flight_leaves_no_survivor(alice, act, at):
    first = pair_of(alice)
    second, ended = held(
        lambda: rotate(refresh=first.refresh), lambda: OF_SESSION[act](alice), at=at
    )
    assert not isinstance(ended, Exception), ended
    assert dead(first)
    assert isinstance(second, TokenRejected) or dead(second)


@pytest.mark.parametrize("grace", [0, 10])
def test_refresh_that_another_refresh_overtakes_leaves_one_successor(alice, settings, grace):
    settings.REFRESH_GRACE_SECONDS = grace
    first = pair_of(alice)
    slow, quick = held(
        lambda: rotate(refresh=first.refresh),
        lambda: rotate(refresh=first.refresh),
        at=ROTATION[0],
    )
    # Where the slow one had the lock, it is the one that the other is a retry of.
    if grace:
        assert slow.refresh == quick.refresh
        assert failed(slow.access) is failed(quick.refresh) is None
    else:
        assert sorted([type(slow).__name__, type(quick).__name__]) == [
            "IssuedPair",
            "TokenRejected",
        ]
        assert dead(first)
    assert Session.objects.get().rotations == 1


@pytest.mark.parametrize("act", OF_SESSION)
def test_a_refresh_that_has_seen_nothing_yet_is_refused_or_taken_along(alice, act):
    first = pair_of(alice)
    second, ended = held(
        lambda: rotate(refresh=first.refresh), lambda: OF_SESSION[act](alice), at="SELECT"
    )
    assert not isinstance(ended, Exception), ended
    assert dead(first)
    assert isinstance(second, TokenRejected) or dead(second)


@pytest.mark.parametrize("act", OF_USER)
@pytest.mark.parametrize("at", LOGIN)
def test_a_login_in_flight_leaves_no_survivor(alice, act, at):
    pair, ended = held(lambda: pair_of(alice), lambda: OF_USER[act](alice), at=at)
    assert isinstance(pair, IssuedPair)
    assert not isinstance(ended, Exception), ended
    assert dead(pair)


@pytest.mark.parametrize("at", [ENDING, EVENT], ids=["ending", "event"])
@pytest.mark.parametrize("act", ["revoke_user", "revoke_session", "password", "delete"])
def test_a_refresh_that_comes_while_an_act_is_in_flight_is_refused(alice, act, at):
    first = pair_of(alice)
    ended, second = held(
        lambda: OF_SESSION[act](alice), lambda: rotate(refresh=first.refresh), at=at
    )
    assert not isinstance(ended, Exception), ended
    assert dead(first)
    # It may have come through where the act held no lock yet; then it was taken along.
    assert isinstance(second, TokenRejected) or dead(second)


@pytest.mark.parametrize("act", ["password", "deactivate", "delete"])
def test_a_login_that_comes_while_the_account_goes_is_refused(alice, act):
    ended, pair = held(lambda: OF_USER[act](alice), lambda: pair_of(alice), at=EVENT)
    assert not isinstance(ended, Exception), ended
    assert isinstance(pair, LoginSuperseded) or dead(pair)


def test_two_revocations_of_many_sessions_do_not_lock_each_other_out(alice):
    for _ in range(30):
        pair_of(alice)
    one, two = held(
        lambda: revoke_user(user=alice, actor=None, reason="x"),
        lambda: revoke_matching(selection=Selection(everybody=True), actor=None, reason="x"),
        at=ENDING,
    )
    assert sorted([one.sessions, two.sessions]) == [0, 30]
