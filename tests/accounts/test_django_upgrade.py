"""Django's own upgrade of a password hash ends no session; a changed password still does."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.db.models.signals import pre_save

from tests.support.tokens import failed, kinds, pair_of
from tests.support.users import PASSWORD
from tokens.models import Kind
from tokens.sessions.issue import open_session

NEW = "another password entirely 7"


@pytest.fixture
def veteran(alice, settings):
    """Alice, with an outdated hash, in a project with Django's own backend."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    outdated = make_password(PASSWORD, hasher="pbkdf2_sha1")
    User.objects.filter(pk=alice.pk).update(password=outdated)
    return User.objects.get(pk=alice.pk)


def log_in():
    return authenticate(username="alice", password=PASSWORD)


def upgraded():
    return User.objects.get(username="alice").password.startswith("argon2$")


def test_upgrade_at_login_ends_no_session(veteran):
    pair = pair_of(veteran)
    user = log_in()
    assert upgraded()
    assert failed(pair.refresh) is failed(pair.access) is None
    assert failed(open_session(user=user).access) is None
    assert kinds() == [Kind.LOGIN, Kind.LOGIN]


def test_upgrade_at_an_asynchronous_login_ends_no_session(veteran):
    pair = pair_of(veteran)
    user = async_to_sync(aauthenticate)(username="alice", password=PASSWORD)
    assert user == veteran
    assert upgraded()
    assert failed(pair.refresh) is failed(pair.access) is None


def test_upgrade_revives_no_session_of_an_earlier_password(veteran):
    ended = pair_of(veteran)
    User.objects.update(password=make_password(NEW, hasher="pbkdf2_sha1"))
    assert authenticate(username="alice", password=NEW)
    assert upgraded()
    assert failed(ended.refresh) == failed(ended.access) == "user"


def test_wrong_password_upgrades_nothing(veteran):
    pair = pair_of(veteran)
    assert authenticate(username="alice", password=NEW) is None
    assert not upgraded()
    assert failed(pair.access) is None


def test_password_that_changes_during_the_login_is_kept(veteran):
    stale = User.objects.get(pk=veteran.pk)
    veteran.set_password(NEW)
    veteran.save()
    stale.check_password(PASSWORD)
    assert User.objects.get(pk=veteran.pk).check_password(NEW)


def test_failed_upgrade_ends_no_session(veteran):
    pair = pair_of(veteran)

    def refuse(**_):
        raise DatabaseError("disk full")

    pre_save.connect(refuse, sender=User)
    try:
        with pytest.raises(DatabaseError):
            log_in()
    finally:
        pre_save.disconnect(refuse, sender=User)
    assert not upgraded()
    assert failed(pair.access) is None


def change_after_the_check(user):
    assert user.check_password(PASSWORD)
    user.set_password(NEW)
    user.save(update_fields=["password"])


def assign_a_hash(user):
    user.password = make_password(NEW)
    user.save(update_fields=["password"])


def assign_a_hash_after_the_check(user):
    assert user.check_password(PASSWORD)
    assign_a_hash(user)


def assign_a_hash_of_the_same_password(user):
    user.password = make_password(PASSWORD)
    user.save(update_fields=["password"])


def change_in_djangos_form(user):
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    form = PasswordChangeForm(user, data)
    assert form.is_valid()
    form.save()


@pytest.mark.parametrize(
    "change",
    [
        change_after_the_check,
        assign_a_hash,
        assign_a_hash_after_the_check,
        assign_a_hash_of_the_same_password,
        change_in_djangos_form,
    ],
)
def test_changed_password_ends_all_sessions(veteran, change):
    pair = pair_of(veteran)
    change(veteran)
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    assert Kind.PASSWORD_CHANGED in kinds()


def test_password_that_a_receiver_replaces_during_the_upgrade_is_a_change(veteran):
    pair = pair_of(veteran)

    def replace(instance, **_):
        instance.password = make_password(NEW)

    receivers, pre_save.receivers = pre_save.receivers, []
    pre_save.connect(replace, sender=User)
    pre_save.receivers += receivers
    pre_save.sender_receivers_cache.clear()
    try:
        log_in()
    finally:
        pre_save.disconnect(replace, sender=User)
    assert failed(pair.access) == "revoked"


def test_upgrade_leaves_sessions_of_others_alone(veteran, bob):
    pair = pair_of(bob)
    log_in()
    assert failed(pair.refresh) is failed(pair.access) is None
