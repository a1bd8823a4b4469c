"""A gone user has no tokens, by whichever road he went (invariant 10)."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse

from tests.support.lifecycle import failed, kinds, pair_of
from tests.support.people import PASSWORD
from tokens.models import Cutoff, Event, Kind
from tokens.origin import on_behalf_of

NEW = "another password entirely 7"


def save_password(alice, client, monkeypatch):
    alice.set_password(NEW)
    alice.save()


def save_the_field_alone(alice, client, monkeypatch):
    alice.set_password(NEW)
    alice.save(update_fields=["password"])


def unusable_password(alice, client, monkeypatch):
    alice.set_unusable_password()
    alice.save()


def changepassword(alice, client, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: NEW)
    call_command("changepassword", "alice", verbosity=0)


def admin_form(alice, client, monkeypatch):
    User.objects.create_superuser("root", password=PASSWORD)
    client.force_login(User.objects.get(username="root"))
    data = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    answer = client.post(reverse("admin:auth_user_password_change", args=[alice.pk]), data)
    assert answer.status_code == 302


def deactivate(alice, client, monkeypatch):
    alice.is_active = False
    alice.save()


def delete(alice, client, monkeypatch):
    alice.delete()


def delete_many(alice, client, monkeypatch):
    User.objects.filter(username="alice").delete()


@pytest.mark.parametrize(
    ("road", "kind"),
    [
        (save_password, Kind.PASSWORD_CHANGED),
        (save_the_field_alone, Kind.PASSWORD_CHANGED),
        (unusable_password, Kind.PASSWORD_CHANGED),
        (changepassword, Kind.PASSWORD_CHANGED),
        (admin_form, Kind.PASSWORD_CHANGED),
        (deactivate, Kind.USER_DEACTIVATED),
        (delete, Kind.USER_DELETED),
        (delete_many, Kind.USER_DELETED),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_both_tokens_die_at_once_and_the_trail_says_why(
    alice, client, monkeypatch, capsys, road, kind
):
    pair = pair_of(alice)
    key = alice.pk
    road(alice, client, monkeypatch)
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    event = Event.objects.get(kind=kind)
    assert (event.subject_id, event.subject_name, event.count) == (key, "alice", 1)


def test_the_event_names_who_did_it(alice, sam):
    with on_behalf_of(lambda: sam):
        deactivate(alice, None, None)
    assert Event.objects.get().actor == sam


def test_an_account_that_comes_back_brings_no_token_back(alice):
    pair = pair_of(alice)
    deactivate(alice, None, None)
    alice.is_active = True
    alice.save()
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    assert failed(pair_of(alice).access) is None


def test_saving_anything_else_ends_nothing(alice):
    pair = pair_of(alice)
    alice.first_name = "Alice"
    alice.save()
    alice.save(update_fields=["last_login"])
    assert failed(pair.refresh) is None
    assert kinds() == [Kind.LOGIN]


def test_saving_an_inactive_account_again_changes_nothing(alice):
    deactivate(alice, None, None)
    trail, cutoffs = kinds(), Cutoff.objects.count()
    alice.save()
    assert (kinds(), Cutoff.objects.count()) == (trail, cutoffs)


def test_a_password_changed_by_plain_sql_is_caught_at_the_next_use(alice):
    pair = pair_of(alice)
    User.objects.update(password="argon2$other")
    assert failed(pair.refresh) == failed(pair.access) == "user"


def test_nothing_happens_to_the_other_accounts(alice, bob):
    pair = pair_of(bob)
    delete(alice, None, None)
    assert failed(pair.refresh) is failed(pair.access) is None
