"""The test support does what the tests lean on."""

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from tests.support.database import flush
from tests.support.passes import left_out_because
from tests.support.services import LeftOut, leave_out, missing
from tokens.models import Event, OutstandingToken


def test_login_fixture_returns_a_pair(api, alice, login):
    pair = login(api, alice)
    assert pair.keys() == {"refresh", "access"}
    assert OutstandingToken.objects.get().user == alice


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_no_event_and_keeps_the_groups(which, api, alice, login):
    assert not Event.objects.exists()
    assert Group.objects.filter(name="Token staff", permissions__isnull=False).exists()
    login(api, alice)
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_rows_of_the_migrations_are_written_again_as_they_were():
    before = flush._rows_from_migrations()
    Group.objects.all().delete()
    ContentType.objects.create(app_label="tests", model="one")
    flush.flush()
    assert flush._rows_from_migrations() == before
    assert Group.objects.create(name="another").pk > max(row[0] for row in before[0])


def test_the_served_portal_shares_the_database(portal_server, alice, password):
    pair = portal_server.login("alice", password)
    answer = portal_server.call("GET", "/api/restricted", token=pair["access"])
    assert answer.json() == {"response": "YOU ARE ALLOWED HERE"}
    assert OutstandingToken.objects.get().user == alice


def test_serve_fixture_passes_settings_to_the_portal(serve, alice, password):
    server = serve(LOGIN_ATTEMPTS="1")
    wrong = {"username": "alice", "password": "wrong"}
    answers = [server.call("POST", "/api/login", json=wrong).status_code for _ in range(2)]
    assert answers == [401, 429]


def test_the_browser_shares_the_database(page, sam):
    from tests.support.browser.chromium import sign_in

    sign_in(page, sam)
    assert page.context.cookies()
    assert connection.vendor in {"sqlite", "postgresql"}


def test_only_the_run_on_sqlite_has_the_tests_without_a_database(request):
    assert not left_out_because(request.node, after_sqlite=False)
    assert "no database" in left_out_because(request.node, after_sqlite=True)
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        Event.objects.exists()


def test_what_is_left_out_is_no_service_that_is_missing(monkeypatch):
    monkeypatch.setenv("REQUIRE_ALL", "1")
    with pytest.raises(LeftOut):
        leave_out("no package index")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_ALL"):
        missing("no Redis")


@pytest.mark.once
def test_only_the_run_on_sqlite_has_the_tests_marked_once(request, alice):
    assert not left_out_because(request.node, after_sqlite=False)
    assert "do not depend" in left_out_because(request.node, after_sqlite=True)


def test_both_runs_have_the_other_tests(request, alice):
    assert not left_out_because(request.node, after_sqlite=True)
