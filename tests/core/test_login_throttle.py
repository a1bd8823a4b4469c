"""Attempts are counted by account and by address, before the password is looked at, the same
for accounts that do not exist, and nobody is locked out where he has logged in before."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.db import connection

from tests.support.lifecycle import kinds, later
from tests.support.people import PASSWORD
from tokens.logins import LoginLocked, unlock
from tokens.logins.places import ADDRESS_FACTOR
from tokens.models import Event, Kind, LoginThrottle
from tokens.origin import Origin, acting_from

HOME, AWAY = "192.0.2.1", "198.51.100.9"


@pytest.fixture(autouse=True)
def _three_attempts(settings):
    settings.LOGIN_ATTEMPTS = 3


def attempt(username="alice", password="wrong", ip=AWAY):
    """True, False, or "locked"."""
    with acting_from(Origin(ip=ip)):
        try:
            return authenticate(username=username, password=password) is not None
        except LoginLocked:
            return "locked"


def test_after_the_limit_even_the_right_password_waits(alice):
    assert [attempt() for _ in range(3)] == [False] * 3
    assert attempt(password=PASSWORD) == "locked"


def test_the_lock_ends_with_its_window_and_does_not_grow(alice):
    for _ in range(9):
        attempt()
    with later(seconds=301):
        assert attempt(password=PASSWORD) is True


def test_it_says_how_long_to_wait(alice):
    for _ in range(3):
        attempt()
    with acting_from(Origin(ip=AWAY)), pytest.raises(LoginLocked) as raised:
        authenticate(username="alice", password="wrong")
    assert 295 <= raised.value.retry_after <= 300


def test_unknown_accounts_are_locked_just_the_same(alice):
    real = [attempt("alice") for _ in range(5)]
    assert [attempt("nobody") for _ in range(5)] == real


def test_spelling_a_name_in_capitals_buys_no_attempts(alice):
    assert [attempt(name) for name in ("alice", "Alice", "ALICE")] == [False] * 3
    assert attempt("aLiCe") == "locked"


def test_an_address_is_counted_whatever_account_it_tries(db):
    limit = 3 * ADDRESS_FACTOR
    assert [attempt(f"user{n}") for n in range(limit)] == [False] * limit
    assert attempt("another") == "locked"
    assert attempt("another", ip=HOME) is False


def test_of_an_ipv6_network_one_site_is_one_address(db):
    limit = 3 * ADDRESS_FACTOR
    answers = [attempt(f"user{n}", ip=f"2001:db8::{n + 1:x}") for n in range(limit)]
    assert answers == [False] * limit
    assert attempt("another", ip="2001:db8::ffff:1") == "locked"
    assert attempt("another", ip="2001:db8:0:1::1") is False


def test_a_stranger_cannot_lock_the_owner_out_of_a_known_address(alice):
    assert attempt(password=PASSWORD, ip=HOME) is True
    for _ in range(20):
        attempt(ip=AWAY)
    assert attempt(ip=AWAY) == "locked"
    assert attempt(password=PASSWORD, ip=HOME) is True


def test_a_known_address_has_a_limit_of_its_own(alice):
    attempt(password=PASSWORD, ip=HOME)
    assert [attempt(ip=HOME) for _ in range(4)] == [False, False, False, "locked"]


def test_a_good_login_gives_its_places_back(alice):
    for _ in range(10):
        assert attempt() is False
        assert attempt(password=PASSWORD) is True


def test_unlocking_is_an_act_with_an_event(alice, sam):
    for _ in range(4):
        attempt()
    assert unlock(username="alice", actor=sam, reason="she called")
    assert attempt(password=PASSWORD) is True
    event = Event.objects.get(kind=Kind.LOGIN_UNLOCKED)
    assert (event.actor, event.subject_name, event.reason) == (sam, "alice", "she called")
    assert not unlock(username="alice", actor=sam, reason="again")


def test_one_event_for_each_refusal_and_one_for_the_lock(alice):
    for _ in range(9):
        attempt()
    assert kinds() == [Kind.LOGIN_REFUSED] * 3 + [Kind.LOGIN_LOCKED]


def test_the_table_of_counters_names_nobody(alice):
    attempt()
    keys = " ".join(LoginThrottle.objects.values_list("key", flat=True))
    assert "alice" not in keys
    assert AWAY not in keys


def test_the_asynchronous_road_is_counted_too(alice):
    for _ in range(3):
        assert async_to_sync(aauthenticate)(username="alice", password="wrong") is None
    with pytest.raises(LoginLocked):
        async_to_sync(aauthenticate)(username="alice", password=PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_cannot_share_a_place(alice):
    def one(_):
        try:
            return attempt()
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))
    assert answers.count(False) == 3
    assert answers.count("locked") == 17
    assert kinds().count(Kind.LOGIN_LOCKED) == 1


def test_an_account_at_its_limit_costs_its_neighbours_no_places(alice, bob):
    for _ in range(3 * ADDRESS_FACTOR + 5):
        attempt("alice")
    assert attempt("bob", password=PASSWORD) is True


def test_places_given_back_at_once_are_given_back_once(alice):
    for _ in range(2):
        attempt(password=PASSWORD, ip=HOME)
    assert set(LoginThrottle.objects.values_list("attempts", flat=True)) == {0}


@pytest.mark.django_db(transaction=True)
def test_those_who_come_and_go_at_once_do_not_wait_for_each_other(alice, bob, settings):
    settings.LOGIN_ATTEMPTS = 100

    def one(n):
        try:
            return attempt(("alice", "bob")[n % 2], password=PASSWORD, ip=HOME)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(40))) == {True}
    assert set(LoginThrottle.objects.values_list("attempts", flat=True)) == {0}
