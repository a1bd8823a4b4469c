"""Services authenticate with HTTP Basic, at the two calls that are for them."""

import base64
import json
from io import StringIO
from urllib.parse import quote_plus

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.support.tokens import pair_of
from tokens.models import Event, Kind, Service
from tokens.services import credentials
from tokens.services.registry import add_service, remove_service, rotate_service

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _budgets():
    credentials.failures.reset()
    credentials.calls.reset()
    credentials.counted.reset()


def basic(name, secret):
    pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
    return {"HTTP_AUTHORIZATION": f"Basic {base64.b64encode(pair).decode()}"}


def introspect(api, token="x", **headers):
    return api.post("/api/introspect", {"token": token}, format="json", **headers)


@pytest.fixture
def billing(db):
    return add_service(name="billing", may_introspect=True, may_read_feed=False)


def test_service_introspects_with_its_name_and_secret(api, alice, billing):
    answer = introspect(api, pair_of(alice).access, **basic("billing", billing.secret))
    assert answer.status_code == 200
    assert answer.json()["active"] is True


def test_name_and_secret_are_form_urlencoded(api, billing):
    """Every character may be percent-encoded, and the name of the scheme is in any case."""
    encoded = "".join(f"%{ord(character):02X}" for character in "billing")
    pair = base64.b64encode(f"{encoded}:{billing.secret}".encode()).decode()
    assert introspect(api, HTTP_AUTHORIZATION=f"bAsIc {pair}").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        basic("billing", "wrong")["HTTP_AUTHORIZATION"],
        basic("unknown", "wrong")["HTTP_AUTHORIZATION"],
        basic("bill\0ing", "x")["HTTP_AUTHORIZATION"],
        basic("", "")["HTTP_AUTHORIZATION"],
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"billing").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"billing:%ED%A0%80").decode(),
    ],
)
def test_wrong_credential_is_challenged_for_basic(api, billing, header):
    answer = introspect(api, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="api"'
    assert answer.json() == {"detail": "Wrong name or secret of a service."}


def test_service_without_the_permission_is_refused_and_recorded(api, db):
    made = add_service(name="reader", may_introspect=False, may_read_feed=True)
    for _ in range(3):
        assert introspect(api, **basic("reader", made.secret)).status_code == 403
    event = Event.objects.get(kind=Kind.SERVICE_REFUSED)
    assert event.data["service"] == "reader"


def test_wrong_secret_of_a_service_is_recorded_once_a_minute(api, billing):
    for _ in range(3):
        introspect(api, **basic("billing", "wrong"))
    event = Event.objects.get(kind=Kind.SERVICE_REFUSED)
    assert (event.reason, event.data) == ("wrong secret", {"service": "billing"})


def test_failed_attempts_of_an_address_are_bounded_and_its_good_calls_go_on(api, billing):
    for _ in range(credentials.FAILURES_OF_CLIENT):
        assert introspect(api, **basic("billing", "wrong")).status_code == 401
    refused = introspect(api, **basic("billing", "wrong"))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert introspect(api, **basic("billing", billing.secret)).status_code == 200
    elsewhere = basic("billing", "wrong") | {"REMOTE_ADDR": "203.0.113.77"}
    assert introspect(api, **elsewhere).status_code == 401


def test_calls_of_a_service_are_throttled(api, billing, monkeypatch):
    monkeypatch.setattr(credentials, "CALLS_OF_SERVICE", 2)
    header = basic("billing", billing.secret)
    assert [introspect(api, **header).status_code for _ in range(3)] == [200, 200, 429]
    other = add_service(name="other", may_introspect=True, may_read_feed=False)
    assert introspect(api, **basic("other", other.secret)).status_code == 200


def test_rotated_secret_replaces_the_one_before(api, billing):
    after = rotate_service(service=billing.service)
    assert introspect(api, **basic("billing", billing.secret)).status_code == 401
    assert introspect(api, **basic("billing", after.secret)).status_code == 200
    remove_service(service=billing.service)
    assert introspect(api, **basic("billing", after.secret)).status_code == 401


def test_secret_is_random_and_stored_as_a_digest(billing):
    stored = Service.objects.get().digest
    assert len(base64.urlsafe_b64decode(billing.secret + "=")) == 32
    assert billing.secret not in stored
    assert billing.secret not in repr(billing)
    assert not Event.objects.filter(data__icontains=billing.secret).exists()


def test_service_that_calls_often_stores_the_time_of_its_call_rarely(
    api, billing, django_assert_num_queries
):
    header = basic("billing", billing.secret)
    introspect(api, **header)
    assert Service.objects.get().last_call_at is not None
    with django_assert_num_queries(1):
        assert introspect(api, **header).status_code == 200


def test_calls_of_a_service_are_counted(api, billing):
    header = basic("billing", billing.secret)
    for _ in range(5):
        introspect(api, **header)
    introspect(api, **basic("billing", "wrong"))
    assert Service.objects.get().calls == 1
    # The process may take the time for a little earlier than it is.
    Service.objects.update(last_call_at=timezone.now() - 2 * credentials.STORED_EVERY)
    introspect(api, **header)
    assert Service.objects.get().calls == 6


def test_each_process_stores_the_calls_that_it_counted(api, billing):
    """The stored time of the last call is also that of other processes."""
    header = basic("billing", billing.secret)
    introspect(api, **header)
    introspect(api, **header)
    credentials.counted._stored.clear()
    introspect(api, **header)
    assert Service.objects.get().calls == 3


def test_bearer_call_asks_no_more_than_before(api, alice, billing, django_assert_num_queries):
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair_of(alice).access}"}
    with django_assert_num_queries(1):
        assert api.get("/api/restricted", **bearer).status_code == 200


def run(*words):
    out = StringIO()
    call_command("services", *words, stdout=out)
    return out.getvalue()


def test_command_adds_lists_rotates_and_removes(db):
    made = json.loads(run("add", "billing", "--introspect", "--feed", "--json"))
    assert made.keys() == {"name", "secret"}
    service = credentials.authenticate(**made)
    assert (service.may_introspect, service.may_read_feed) == (True, True)
    listed = json.loads(run("list", "--json"))["services"]
    assert [(one["name"], one["may"]) for one in listed] == [("billing", ["introspect", "feed"])]
    assert "billing: introspect, feed" in run("list")
    again = json.loads(run("rotate", "billing", "--json"))
    assert again["secret"] != made["secret"]
    assert run("remove", "billing") == "Removed the service billing.\n"
    assert run("list") == "There are no services.\n"
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == [Kind.SERVICE_ADDED, Kind.SERVICE_ROTATED, Kind.SERVICE_REMOVED]


@pytest.mark.parametrize(
    "line",
    [
        ("add", "billing"),
        ("add", "bad name", "--feed"),
        ("add", "x" * 65, "--feed"),
        ("add", "taken", "--feed"),
        ("rotate", "unknown"),
        ("remove", "unknown"),
        ("add",),
        (),
    ],
    ids=str,
)
def test_command_refuses_a_bad_line(db, line):
    add_service(name="taken", may_introspect=True, may_read_feed=False)
    with pytest.raises(CommandError) as refused:
        run(*line)
    assert "\n" not in str(refused.value)
    assert Service.objects.count() == 1
