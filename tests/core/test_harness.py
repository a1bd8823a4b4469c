"""The test support does what the tests lean on."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from tokens.models import Event, OutstandingToken


def test_login_gives_a_pair(api, alice, login):
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


def test_the_served_portal_shares_the_database(portal_server, alice, password):
    pair = portal_server.login("alice", password)
    answer = portal_server.call("GET", "/api/restricted", token=pair["access"])
    assert answer.json() == {"response": "YOU ARE ALLOWED HERE"}
    assert OutstandingToken.objects.get().user == alice


def test_a_portal_of_ones_own_takes_settings(serve, alice, password):
    server = serve(LOGIN_ATTEMPTS="1")
    wrong = {"username": "alice", "password": "wrong"}
    answers = [server.call("POST", "/api/login", json=wrong).status_code for _ in range(2)]
    assert answers == [401, 429]


def test_the_browser_shares_the_database(page, sam):
    from tests.support.browser import sign_in

    sign_in(page, sam)
    assert page.context.cookies()
    assert connection.vendor in {"sqlite", "postgresql"}
