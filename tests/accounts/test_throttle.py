"""Attempts are counted by account and by address before the password is checked.

Accounts that do not exist are counted too, and users are not locked out at an address that they
logged in from before.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.tokens import kinds, later
from tests.support.users import PASSWORD, make_user
from tokens.accounts.passwords import LoginLocked, unlock
from tokens.accounts.throttle import ADDRESS_FACTOR
from tokens.models import Event, Kind, LoginThrottle
from tokens.origin import Origin, acting_from

HOME, AWAY = "192.0.2.1", "198.51.100.9"


@pytest.fixture(autouse=True)
def _three_attempts(settings):
    settings.LOGIN_ATTEMPTS = 3


def attempt(username="alice", password="wrong", ip=AWAY):
    """Return True, False, or "locked"."""
    with acting_from(Origin(ip=ip)):
        try:
            return authenticate(username=username, password=password) is not None
        except LoginLocked:
            return "locked"


def test_right_password_is_refused_after_too_many_attempts(alice):
    assert [attempt() for _ in range(3)] == [False] * 3
    assert attempt(password=PASSWORD) == "locked"


def test_login_lock_ends_with_its_window_and_does_not_grow(alice):
    for _ in range(9):
        attempt()
    with later(seconds=301):
        assert attempt(password=PASSWORD) is True


@pytest.mark.postgresql
@pytest.mark.parametrize("ip", [AWAY, None])
def test_statement_that_counts_attempts_reads_the_time_once(alice, ip):
    """Otherwise a window that ends between two readings keeps a count that is over."""
    with CaptureQueriesContext(connection) as ran:
        for _ in range(4):
            attempt(ip=ip)
    counting = [one["sql"] for one in ran if "attempts + 1" in (one["sql"] or "")]
    assert counting
    assert {sql.count("clock_timestamp()") for sql in counting} == {1}


def test_refused_login_says_how_long_to_wait(alice):
    for _ in range(3):
        attempt()
    with acting_from(Origin(ip=AWAY)), pytest.raises(LoginLocked) as raised:
        authenticate(username="alice", password="wrong")
    assert 295 <= raised.value.retry_after <= 300


def test_unknown_account_is_locked_like_a_known_one(alice):
    real = [attempt("alice") for _ in range(5)]
    assert [attempt("nobody") for _ in range(5)] == real


def test_user_name_in_capitals_gets_no_more_attempts(alice):
    assert [attempt(name) for name in ("alice", "Alice", "ALICE")] == [False] * 3
    assert attempt("aLiCe") == "locked"


def test_other_spellings_of_a_user_name_get_no_more_attempts(db):
    make_user("Jos\u00e9")
    spellings = ("Jos\u00e9", "Jose\u0301", "JOS\u00c9")
    assert [attempt(name) for name in spellings] == [False] * 3
    assert attempt("\uff2aos\u00e9") == "locked"  # a wide J
    assert attempt("Jose\u0301", password=PASSWORD) == "locked"


def test_attempts_of_an_address_count_for_every_account(db):
    limit = 3 * ADDRESS_FACTOR
    assert [attempt(f"user{n}") for n in range(limit)] == [False] * limit
    assert attempt("another") == "locked"
    assert attempt("another", ip=HOME) is False


def test_ipv6_site_counts_as_one_address(db):
    limit = 3 * ADDRESS_FACTOR
    answers = [attempt(f"user{n}", ip=f"2001:db8::{n + 1:x}") for n in range(limit)]
    assert answers == [False] * limit
    assert attempt("another", ip="2001:db8::ffff:1") == "locked"
    assert attempt("another", ip="2001:db8:0:1::1") is False


def test_stranger_cannot_lock_the_owner_out_of_a_known_address(alice):
    assert attempt(password=PASSWORD, ip=HOME) is True
    for _ in range(20):
        attempt(ip=AWAY)
    assert attempt(ip=AWAY) == "locked"
    assert attempt(password=PASSWORD, ip=HOME) is True


def test_known_address_has_its_own_limit(alice):
    attempt(password=PASSWORD, ip=HOME)
    assert [attempt(ip=HOME) for _ in range(4)] == [False, False, False, "locked"]


def test_successful_login_does_not_count_as_an_attempt(alice):
    for _ in range(10):
        assert attempt() is False
        assert attempt(password=PASSWORD) is True


def test_unlocking_a_login_records_an_event(alice, sam):
    for _ in range(4):
        attempt()
    assert unlock(username="alice", actor=sam, reason="she called")
    assert attempt(password=PASSWORD) is True
    event = Event.objects.get(kind=Kind.LOGIN_UNLOCKED)
    assert (event.actor, event.subject_name, event.reason) == (sam, "alice", "she called")
    assert not unlock(username="alice", actor=sam, reason="again")


def test_unlocking_resets_the_counters_at_all_known_addresses(alice, bob):
    for ip in (HOME, "192.0.2.7"):
        attempt(password=PASSWORD, ip=ip)
    attempt("bob", password=PASSWORD, ip=HOME)
    for ip in (HOME, "192.0.2.7", AWAY):
        assert [attempt(ip=ip) for _ in range(4)][-1] == "locked"
    for _ in range(4):
        attempt("bob", ip=HOME)
    assert unlock(username="Alice", actor=None, reason="she called") == 3
    for ip in (HOME, "192.0.2.7", AWAY):
        assert attempt(password=PASSWORD, ip=ip) is True
    assert attempt("bob", password=PASSWORD, ip=HOME) == "locked"


def test_each_refused_login_and_the_lock_record_one_event(alice):
    for _ in range(9):
        attempt()
    assert kinds() == [Kind.LOGIN_REFUSED] * 3 + [Kind.LOGIN_LOCKED]
    locked = Event.objects.get(kind=Kind.LOGIN_LOCKED)
    assert (locked.subject, locked.subject_name) == (alice, "alice")


def test_table_of_login_attempts_names_no_user(alice):
    attempt()
    keys = " ".join(LoginThrottle.objects.values_list("key", flat=True))
    assert "alice" not in keys
    assert AWAY not in keys


def test_asynchronous_login_is_counted(alice):
    for _ in range(3):
        assert async_to_sync(aauthenticate)(username="alice", password="wrong") is None
    with pytest.raises(LoginLocked):
        async_to_sync(aauthenticate)(username="alice", password=PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_logins_are_counted_one_by_one(alice, settings):
    settings.LOGIN_WAITING = 20

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


def test_locked_account_uses_up_no_attempts_of_its_address(alice, bob):
    for _ in range(3 * ADDRESS_FACTOR + 5):
        attempt("alice")
    assert attempt("bob", password=PASSWORD) is True


def test_concurrent_successes_give_an_attempt_back_once(alice):
    for _ in range(2):
        attempt(password=PASSWORD, ip=HOME)
    assert set(LoginThrottle.objects.values_list("attempts", flat=True)) == {0}


@pytest.mark.django_db(transaction=True)
def test_concurrent_logins_do_not_wait_for_each_other(alice, bob, settings):
    settings.LOGIN_ATTEMPTS, settings.LOGIN_WAITING = 100, 20

    def one(n):
        try:
            return attempt(("alice", "bob")[n % 2], password=PASSWORD, ip=HOME)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(40))) == {True}
    assert set(LoginThrottle.objects.values_list("attempts", flat=True)) == {0}
