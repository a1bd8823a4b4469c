"""Everybody with an account logs in here, under the same throttle as everywhere."""

import pytest

from tests.support.users import PASSWORD
from tokens.models import Event, Kind

URL = "/account/login/"


def log_in(client, username, password=PASSWORD, **extra):
    return client.post(URL, {"username": username, "password": password, **extra})


def test_an_ordinary_user_logs_in(client, alice):
    answer = log_in(client, "alice")
    assert (answer.status_code, answer["Location"]) == (302, "/account/sessions/")


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_next_stays_in_the_house(client, alice, to):
    assert log_in(client, "alice", next=to)["Location"] == "/account/sessions/"


def test_next_goes_where_the_person_wanted(client, alice):
    assert log_in(client, "alice", next="/account/sessions/end/")["Location"] == (
        "/account/sessions/end/"
    )


def test_wrong_and_unknown_get_the_same_words(client, alice):
    wrong, unknown = (log_in(client, name, "wrong") for name in ("alice", "nobody"))
    assert wrong.status_code == unknown.status_code == 200
    assert "No active account found" in wrong.text
    assert "No active account found" in unknown.text
    assert Event.objects.filter(kind=Kind.LOGIN_REFUSED).count() == 2


def test_too_many_attempts_are_told_to_wait(client, alice, settings):
    settings.LOGIN_ATTEMPTS = 2
    for _ in range(2):
        log_in(client, "alice", "wrong")
    answer = log_in(client, "alice")
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_the_session_key_changes_at_login(client, alice):
    client.get(URL)
    before = client.session.session_key
    log_in(client, "alice")
    assert client.session.session_key != before


def test_logging_out_is_a_post(client, alice):
    client.force_login(alice)
    assert client.get("/account/logout/").status_code == 405
    assert client.post("/account/logout/")["Location"] == URL
