"""A login does not reveal whether an account exists, by its response or its duration."""

import time

import pytest
from django.contrib.auth.models import User

from tests.support.users import PASSWORD, make_user

REAL_HASHER = "tokens.accounts.hashers.OwaspArgon2PasswordHasher"
WHO = ("wrong", "unknown", "inactive", "unusable")


@pytest.fixture
def attempts(db, settings):
    """Return a body for each way in which a login fails."""
    settings.LOGIN_ATTEMPTS = 1000
    settings.PASSWORD_HASHERS = [REAL_HASHER]
    make_user("wrong")
    make_user("inactive", is_active=False)
    user = User(username="unusable")
    user.set_unusable_password()
    user.save()
    bodies = {name: {"username": name, "password": "wrong"} for name in WHO}
    return bodies | {"inactive_right": {"username": "inactive", "password": PASSWORD}}


def test_failed_logins_have_the_same_status_body_and_headers(api, attempts):
    seen = set()
    for body in attempts.values():
        answer = api.post("/api/login", body, format="json")
        headers = {**answer.headers, "X-Request-ID": ""}
        seen.add((answer.status_code, answer.content, tuple(sorted(headers.items()))))
    ((status, content, _headers),) = seen
    assert status == 401
    assert content == b'{"detail":"No active account found with the given credentials"}'


def test_locked_logins_have_the_same_response_for_every_account(api, attempts, settings):
    settings.LOGIN_ATTEMPTS = 1
    for body in attempts.values():
        api.post("/api/login", body, format="json")
    locked = [api.post("/api/login", body, format="json") for body in attempts.values()]
    assert {answer.status_code for answer in locked} == {429}
    assert {int(answer.headers["Retry-After"]) // 10 for answer in locked} <= {29, 30}


def test_failed_logins_take_the_same_time_for_every_account(api, attempts):
    """Compare the CPU time, because other processes add to the wall time.

    The fastest of some tries counts, to which noise adds least.
    """
    fastest = dict.fromkeys(attempts, 1e9)
    for _ in range(7):
        for name, body in attempts.items():
            start = time.process_time()
            api.post("/api/login", body, format="json")
            fastest[name] = min(fastest[name], time.process_time() - start)
    assert max(fastest.values()) < 1.5 * min(fastest.values()), fastest


def test_a_spoofed_forwarded_for_buys_no_attempts(api, attempts, settings):
    settings.LOGIN_ATTEMPTS = 2
    statuses = [
        api.post(
            "/api/login", attempts["wrong"], format="json", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}"
        ).status_code
        for n in range(4)
    ]
    assert statuses == [401, 401, 429, 429]
