"""A better hasher for the same password is no password change."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2SHA1PasswordHasher
from django.contrib.auth.models import User
from django.db import connection

from tests.support.tokens import failed, kinds, pair_of
from tests.support.users import PASSWORD
from tokens.accounts import passwords as logins
from tokens.models import Kind
from tokens.sessions.issue import open_session


def old_hash():
    """Return a hash of so few rounds that a login never waits long for another one."""
    return PBKDF2SHA1PasswordHasher().encode(PASSWORD, "salt-of-old", iterations=10_000)


@pytest.fixture
def veteran(alice, settings):
    """Alice, with a password hash from years ago."""
    User.objects.filter(pk=alice.pk).update(password=old_hash())
    return User.objects.get(pk=alice.pk)


def test_hash_upgrade_at_login_ends_no_session(veteran):
    pair = pair_of(veteran)
    user = authenticate(username="alice", password=PASSWORD)
    veteran.refresh_from_db()
    assert veteran.password.startswith("argon2$")
    assert failed(pair.refresh) is failed(pair.access) is None
    assert failed(open_session(user=user).access) is None
    assert kinds() == [Kind.LOGIN, Kind.LOGIN]


def test_hash_upgrade_after_a_password_change_is_no_login(veteran):
    stale = User.objects.get(pk=veteran.pk)
    veteran.set_password("another password entirely 7")
    veteran.save()
    assert not logins.check(user=stale, username="alice", password=PASSWORD)
    assert not User.objects.get(pk=veteran.pk).check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_two_logins_that_upgrade_the_hash_at_once_both_succeed(veteran):
    barrier = Barrier(2)

    def log_in(_):
        try:
            user = User.objects.get(pk=veteran.pk)
            barrier.wait(60)
            assert logins.check(user=user, username="alice", password=PASSWORD)
            return failed(open_session(user=user).access)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(log_in, range(2))) == [None, None]
