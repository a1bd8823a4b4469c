"""The admin admits only staff, and the trail has every attempt."""

import pytest
from django.contrib.auth.models import User

from tests.support.users import PASSWORD
from tokens.models import Event, Kind


def log_in(client, user: User):
    body = {"username": user.get_username(), "password": PASSWORD}
    return client.post("/admin/login/", body)


def test_staff_come_in(client, sam):
    assert log_in(client, sam).status_code == 302


def test_an_account_that_is_not_staff_is_told_what_a_wrong_password_is_told(client, alice):
    answer = log_in(client, alice)
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session
    event = Event.objects.get()
    assert (event.kind, event.subject, event.reason) == (Kind.LOGIN_REFUSED, alice, "not staff")


@pytest.mark.django_db
def test_a_wrong_password_is_written_down_once(client, alice):
    client.post("/admin/login/", {"username": "alice", "password": PASSWORD + "x"})
    assert Event.objects.get().reason == "wrong password"
