"""A deactivated or deleted user has no tokens, whatever ended the account (invariant 10)."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import reverse

from tests.support.tokens import failed, kinds, pair_of
from tests.support.users import PASSWORD
from tokens.models import Cutoff, Event, Kind
from tokens.origin import Origin, request_context

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
def test_account_change_ends_both_tokens_and_records_why(
    alice, client, monkeypatch, capsys, road, kind
):
    pair = pair_of(alice)
    key = alice.pk
    road(alice, client, monkeypatch)
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    event = Event.objects.get(kind=kind)
    assert (event.subject_id, event.subject_name, event.count) == (key, "alice", 1)


def test_event_of_an_account_change_names_the_actor(alice, sam):
    with request_context(origin=Origin, actor=lambda: sam):
        deactivate(alice, None, None)
    assert Event.objects.get().actor == sam


def test_reactivated_account_gets_no_token_back(alice):
    pair = pair_of(alice)
    deactivate(alice, None, None)
    alice.is_active = True
    alice.save()
    assert failed(pair.refresh) == failed(pair.access) == "revoked"
    assert failed(pair_of(alice).access) is None


def test_saving_another_field_of_an_account_ends_nothing(alice):
    pair = pair_of(alice)
    alice.first_name = "Alice"
    alice.save()
    alice.save(update_fields=["last_login"])
    assert failed(pair.refresh) is None
    assert kinds() == [Kind.LOGIN]


def test_saving_an_inactive_account_again_records_nothing(alice):
    deactivate(alice, None, None)
    trail, cutoffs = kinds(), Cutoff.objects.count()
    alice.save()
    assert (kinds(), Cutoff.objects.count()) == (trail, cutoffs)


def test_password_changed_by_sql_ends_the_tokens_at_the_next_use(alice):
    pair = pair_of(alice)
    User.objects.update(password="argon2$other")
    assert failed(pair.refresh) == failed(pair.access) == "user"


def test_account_change_leaves_other_accounts_alone(alice, bob):
    pair = pair_of(bob)
    delete(alice, None, None)
    assert failed(pair.refresh) is failed(pair.access) is None


class Person(User):
    """A proxy, as a host project may have one."""

    class Meta:
        proxy = True
        app_label = "auth"


def test_account_deactivated_through_a_proxy_model_has_no_tokens_after_reactivation(alice):
    held = pair_of(alice)
    person = Person.objects.get(pk=alice.pk)
    for active in (False, True):
        person.is_active = active
        person.save()
    held.session.refresh_from_db()
    assert held.session.revoked_at is not None
    assert Cutoff.objects.filter(user=alice).exists()
