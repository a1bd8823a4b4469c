"""Everything works with a UUID key, a login by e-mail address and a manager that hides accounts.

`tests/test_user_models.py` runs this file in a process of its own, where AUTH_USER_MODEL is set.
"""

import io
import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from tests.user_models.models import Employee, Person
from tokens.audit.delivery.caep import build_claims
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db
PASSWORD = "violet-harbour-19"


@pytest.fixture
def ada():
    return Person.objects.create_user("Ada@example.com", PASSWORD)


@pytest.fixture
def boss():
    return Person.objects.create_user(
        "boss@example.com", PASSWORD, is_staff=True, is_superuser=True
    )


@pytest.fixture
def staff(client, boss):
    client.force_login(boss)
    return client


@pytest.fixture
def bearer(boss):
    return {"authorization": f"Bearer {open_session(user=boss).access}"}


def post(client, path, body, **headers):
    return client.post(f"/api/{path}", json.dumps(body), "application/json", headers=headers)


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# --- Tokens.


def test_login_finds_the_name_as_the_manager_does(client, ada):
    answer = post(client, "login", {"username": "ADA@example.com", "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    pair = answer.json()
    bearer = {"authorization": f"Bearer {pair['access']}"}
    assert client.get("/api/restricted", headers=bearer).status_code == 200
    again = post(client, "refresh", {"refresh": pair["refresh"]})
    assert again.status_code == 200
    assert post(client, "verify", {"token": again.json()["access"]}).status_code == 200
    assert post(client, "logout", {"refresh": again.json()["refresh"]}).status_code == 200
    assert post(client, "refresh", {"refresh": again.json()["refresh"]}).status_code == 401


def test_hidden_account_cannot_log_in(client, ada):
    Person.objects.filter(pk=ada.pk).update(removed=True)
    answer = post(client, "login", {"username": "ada@example.com", "password": PASSWORD})
    assert answer.status_code == 401


def test_introspection_names_the_key_as_text(client, ada, bearer):
    token = open_session(user=ada).access
    found = post(client, "introspect", {"token": token}, **bearer).json()
    assert found["active"]
    assert found["user_id"] == found["sub"] == str(ada.pk)
    assert found["username"] == "Ada@example.com"


@pytest.mark.parametrize("model", [Person, Employee])
@pytest.mark.parametrize("change", ["password", "inactive", "deleted"])
def test_changed_account_has_no_tokens(client, ada, model, change):
    pair = open_session(user=ada)
    person = model.objects.get(pk=ada.pk)
    if change == "password":
        person.set_password("another-password-9")
        person.save()
    elif change == "inactive":
        person.is_active = False
        person.save()
        person.is_active = True
        person.save()
    else:
        person.delete()
    bearer = {"authorization": f"Bearer {pair.access}"}
    assert client.get("/api/restricted", headers=bearer).status_code == 401
    assert post(client, "refresh", {"refresh": pair.refresh}).status_code == 401
    assert Event.objects.filter(subject_id=ada.pk).exclude(kind=Kind.LOGIN).exists()


# --- The staff API.


def test_staff_api_shows_an_account_by_its_key(client, ada, bearer):
    open_session(user=ada)
    found = client.get(f"/api/staff/users/{ada.pk}", headers=bearer).json()
    assert found["id"] == str(ada.pk)
    assert found["email"] == "Ada@example.com"
    assert found["date_joined"] is None
    assert found["sessions"]["results"][0]["user_id"] == str(ada.pk)


@pytest.mark.parametrize("key", ["7", "x", uuid.uuid4(), "%00", "a" * 300])
def test_unknown_or_unreadable_key_is_a_404(client, bearer, key):
    assert client.get(f"/api/staff/users/{key}", headers=bearer).status_code == 404
    path = f"staff/users/{key}/revoke"
    assert post(client, path, {"reason": "r"}, **bearer).status_code == 404


def test_staff_api_revokes_a_user(client, ada, bearer):
    pair = open_session(user=ada)
    answer = post(client, f"staff/users/{ada.pk}/revoke", {"reason": "stolen"}, **bearer)
    assert answer.json() == {"tokens": 1, "sessions": 1, "users": 1}
    assert post(client, "refresh", {"refresh": pair.refresh}).status_code == 401


@pytest.mark.parametrize("path", ["tokens", "sessions"])
def test_staff_api_filters_by_user(client, ada, bearer, path):
    open_session(user=ada)
    rows = client.get(f"/api/staff/{path}?user={ada.pk}", headers=bearer).json()["results"]
    assert [row["user_id"] for row in rows] == [str(ada.pk)]
    assert client.get(f"/api/staff/{path}?user=7", headers=bearer).status_code == 400


def test_schema_says_that_keys_are_uuids(client):
    found = client.get("/api/schema").json()
    parameters = found["paths"]["/api/staff/users/{id}"]["get"]["parameters"]
    assert {"type": "string", "format": "uuid"} in [p["schema"] for p in parameters]
    session = found["components"]["schemas"]["Session"]["properties"]["user_id"]
    assert session["type"] == ["string", "null"]
    assert session["format"] == "uuid"


# --- The pages.


@pytest.mark.parametrize(
    "path",
    [
        "", "tokens/", "sessions/", "users/", "events/", "users/{pk}/", "sessions/{sid}/",
        "tokens/{jti}/", "tokens/?user={pk}", "sessions/?user={pk}", "sessions/?q=ada@example",
        "users/?q=ada@", "users/?status=active", "users/?status=inactive", "events/?subject=ada@",
        "events/?subject=%23{pk}", "revoke/?user={pk}", "revoke/?matching=sessions&user={pk}",
    ],
)  # fmt: skip
def test_page_shows_the_user(staff, ada, path):
    pair = open_session(user=ada)
    values = {"pk": ada.pk, "sid": pair.session.pk, "jti": pair.session.current.jti}
    answer = staff.get(f"/staff/{path.format(**values)}")
    assert answer.status_code == 200, answer.content
    if path not in ("", "users/?status=inactive"):
        assert "Ada@example.com" in answer.text


@pytest.mark.parametrize("path", ["users/7/", "users/x/", f"users/{uuid.uuid4()}/"])
def test_page_of_an_unknown_user_is_a_404(staff, path):
    assert staff.get(f"/staff/{path}").status_code == 404


@pytest.mark.parametrize("query", ["user={pk}", "matching=sessions&user={pk}&status=active"])
def test_page_revokes_the_user_s_sessions(staff, ada, query):
    pair = open_session(user=ada)
    address = f"/staff/revoke/?{query.format(pk=ada.pk)}"
    assert staff.post(address, {"reason": "lost device"}).status_code == 302
    assert post(staff, "refresh", {"refresh": pair.refresh}).status_code == 401


def test_user_ends_a_session_on_the_account_page(ada):
    browser = Client()
    sent = {"username": "ada@example.com", "password": PASSWORD}
    assert browser.post("/account/login/", sent).status_code == 302
    session = open_session(user=ada).session
    browser.post(f"/account/sessions/{session.pk}/end/")
    session.refresh_from_db()
    assert session.revoked_at is not None


@pytest.mark.parametrize(
    "path",
    [
        "tokens/session/", "tokens/session/?user=Ada@example.com", "tokens/event/",
        "tokens/cutoff/", "token_blacklist/outstandingtoken/", "user_models/person/",
        "user_models/person/?q=ada", "user_models/person/{pk}/change/",
        "user_models/person/{pk}/revoke/", "user_models/person/{pk}/delete/",
        "tokens/session/{sid}/change/", "tokens/session/{sid}/revoke/",
    ],
)  # fmt: skip
def test_admin_page_opens(staff, ada, path):
    from tokens.revocation import revoke_user

    revoke_user(user=ada, actor=None, reason="before")
    session = open_session(user=ada).session
    answer = staff.get(f"/admin/{path.format(pk=ada.pk, sid=session.pk)}")
    assert answer.status_code == 200, answer.content


def test_admin_revokes_all_tokens_of_the_user(staff, ada):
    pair = open_session(user=ada)
    address = f"/admin/user_models/person/{ada.pk}/revoke/"
    staff.post(address, {"reason": "left", "post": "yes", "confirm": "yes"})
    assert post(staff, "refresh", {"refresh": pair.refresh}).status_code == 401


# --- The trail.


@pytest.mark.parametrize("form", ["csv", "jsonl", "ecs"])
def test_trail_is_exported_with_the_key(ada, form, capfd):
    open_session(user=ada)
    call_command("export_events", "--format", form)
    assert str(ada.pk) in capfd.readouterr().out


def test_trail_is_sealed_and_verified(ada):
    open_session(user=ada)
    Event.objects.count()
    run("seal_events")
    run("verify_events")


def test_security_event_names_the_key(ada, boss):
    from tokens.revocation import revoke_user

    open_session(user=ada)
    revoke_user(user=ada, actor=boss, reason="left")
    event = Event.objects.filter(kind=Kind.REVOKE_USER).get()
    claims = build_claims(event)
    assert claims is not None
    assert claims["sub_id"]["user"]["sub"] == str(ada.pk)
    assert json.dumps(claims)


# --- Commands.


def test_command_revokes_by_name(client, ada):
    pair = open_session(user=ada)
    run("revoke_tokens", "--user", "ada@example.com", "--reason", "left")
    assert post(client, "refresh", {"refresh": pair.refresh}).status_code == 401


def test_job_remembers_the_key(ada, boss):
    from tokens.listing.sessions import SessionQuery
    from tokens.revocation import Selection, preview, start_job
    from tokens.revocation.jobs import work_off

    open_session(user=ada)
    selection = Selection(matching=SessionQuery(user=ada.pk))
    found = preview(selection=selection)
    job = start_job(selection=selection, found=found, actor=boss, reason="left")
    assert work_off(job=job, seconds=10).finished_at is not None
    assert Session.objects.filter(revoked_at=None).count() == 0


def test_token_is_inspected(ada, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(open_session(user=ada).access))
    assert str(ada.pk) in run("inspect_token")


def test_old_tokens_are_purged(ada):
    open_session(user=ada)
    long_ago = timezone.now() - timedelta(days=400)
    Session.objects.update(expires_at=long_ago, ends_at=long_ago)
    OutstandingToken.objects.update(expires_at=long_ago)
    run("purge_tokens")
    assert not Session.objects.exists()


def test_person_deactivated_by_queryset_gets_no_token_and_no_page_back(client, ada):
    held = open_session(user=ada)
    client.force_login(ada)
    people = Person.objects.filter(pk=ada.pk)
    people.update(is_active=False)
    people.update(is_active=True)
    bearer = {"Authorization": f"Bearer {held.access}"}
    assert Client().get("/api/restricted", headers=bearer).status_code == 401
    assert client.get("/account/sessions/").status_code == 302
    event = Event.objects.get(kind=Kind.USER_DEACTIVATED)
    assert (event.subject, event.subject_name) == (ada, "Ada@example.com")


@pytest.mark.parametrize("option", ["--subject", "--actor"])
def test_trail_of_one_account_is_exported_by_its_key(ada, option, capfd):
    open_session(user=ada)
    call_command("export_events", option, str(ada.pk), "--format", "jsonl")
    assert str(ada.pk) in capfd.readouterr().out
