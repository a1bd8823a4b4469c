"""The app works with a user model that has nothing but what `AbstractBaseUser` has.

`tests/test_user_models.py` runs this file in a process of its own, where AUTH_USER_MODEL is set.
"""

import io
import json

import pytest
from django.core.management import call_command

from tests.user_models.models import Device
from tokens.models import Event
from tokens.revocation import revoke_user
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db
PASSWORD = "violet-harbour-19"


@pytest.fixture
def press():
    device = Device(serial="press/7", handle="press")
    device.set_password(PASSWORD)
    device.save()
    return device


def post(client, path, body, **headers):
    return client.post(f"/api/{path}", json.dumps(body), "application/json", headers=headers)


def test_device_logs_in_refreshes_and_is_revoked(client, press):
    answer = post(client, "login", {"username": "press", "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    pair = post(client, "refresh", {"refresh": answer.json()["refresh"]}).json()
    bearer = {"authorization": f"Bearer {pair['access']}"}
    assert client.get("/api/restricted", headers=bearer).status_code == 200
    assert client.get("/api/sessions", headers=bearer).status_code == 200
    revoke_user(user=press, actor=None, reason="stolen")
    assert client.get("/api/restricted", headers=bearer).status_code == 401
    assert post(client, "refresh", {"refresh": pair["refresh"]}).status_code == 401


def test_wrong_password_is_refused(client, press):
    answer = post(client, "login", {"username": "press", "password": "wrong"})
    assert answer.status_code == 401


@pytest.mark.parametrize("change", ["password", "deleted"])
def test_changed_account_has_no_tokens(client, press, change):
    pair = open_session(user=press)
    if change == "password":
        press.set_password("another-password-9")
        press.save()
    else:
        press.delete()
    assert post(client, "refresh", {"refresh": pair.refresh}).status_code == 401


def test_model_without_staff_has_no_staff(client, press):
    client.force_login(press)
    assert client.get("/staff/").status_code == 403
    bearer = {"authorization": f"Bearer {open_session(user=press).access}"}
    assert client.get("/api/staff/sessions", headers=bearer).status_code == 403
    answer = post(client, "introspect", {"token": "x"}, **bearer)
    assert answer.status_code == 403


def test_account_page_lists_the_sessions(client, press):
    session = open_session(user=press).session
    client.force_login(press)
    assert client.get("/account/sessions/").status_code == 200
    client.post(f"/account/sessions/{session.pk}/end/")
    session.refresh_from_db()
    assert session.revoked_at is not None


@pytest.mark.parametrize("status", ["", "active", "revoked", "expired"])
def test_lists_know_no_inactive_accounts(press, status):
    from tokens.listing.sessions import SessionQuery
    from tokens.listing.tokens import TokenQuery
    from tokens.listing.users import UserQuery

    open_session(user=press)
    for query in (SessionQuery, TokenQuery):
        found = query(status=status, user=press.pk).listing().page()
        assert len(found.rows) == (status in ("", "active"))
    assert len(UserQuery(status="active").listing().page().rows) == 1
    assert len(UserQuery(status="inactive").listing().page().rows) == 0


@pytest.mark.parametrize("command", ["seal_events", "verify_events", "export_events --format ecs"])
def test_command_about_the_trail_runs(press, command):
    open_session(user=press)
    call_command("seal_events", stdout=io.StringIO())
    call_command(*command.split(), stdout=io.StringIO())
    assert Event.objects.filter(subject_id="press/7").exists()


def test_command_revokes_by_name(client, press):
    pair = open_session(user=press)
    out = io.StringIO()
    call_command("revoke_tokens", "--user", "press", "--reason", "stolen", stdout=out)
    assert post(client, "refresh", {"refresh": pair.refresh}).status_code == 401


@pytest.mark.parametrize("option", ["--subject", "--actor"])
def test_trail_of_one_account_is_exported_by_its_key(press, option, capfd):
    open_session(user=press)
    call_command("export_events", option, str(press.pk), "--format", "jsonl")
    assert str(press.pk) in capfd.readouterr().out
