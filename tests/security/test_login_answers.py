"""A login tells nobody whether an account exists: not by its answer, nor by its time."""

import time

import pytest
from django.contrib.auth.models import User

from tests.support.people import PASSWORD, make_user

REAL_HASHER = "tokens.hashers.OwaspArgon2PasswordHasher"
WHO = ("wrong", "unknown", "inactive", "unusable")


@pytest.fixture
def attempts(db, settings):
    """A body for each way in which a login fails."""
    settings.LOGIN_ATTEMPTS = 1000
    settings.PASSWORD_HASHERS = [REAL_HASHER]
    make_user("wrong")
    make_user("inactive", is_active=False)
    user = User(username="unusable")
    user.set_unusable_password()
    user.save()
    bodies = {name: {"username": name, "password": "wrong"} for name in WHO}
    return bodies | {"inactive_right": {"username": "inactive", "password": PASSWORD}}


def test_status_body_and_headers_are_the_same(api, attempts):
    seen = set()
    for body in attempts.values():
        answer = api.post("/api/login", body, format="json", HTTP_X_REQUEST_ID="the-same-one")
        seen.add((answer.status_code, answer.content, tuple(sorted(answer.headers.items()))))
    ((status, content, _headers),) = seen
    assert status == 401
    assert content == b'{"detail":"No active account found with the given credentials"}'


def test_so_is_the_answer_of_a_lock(api, attempts, settings):
    settings.LOGIN_ATTEMPTS = 1
    for body in attempts.values():
        api.post("/api/login", body, format="json")
    locked = [api.post("/api/login", body, format="json") for body in attempts.values()]
    assert {answer.status_code for answer in locked} == {429}
    assert {int(answer.headers["Retry-After"]) // 10 for answer in locked} <= {29, 30}


def test_time_is_within_noise(api, attempts):
    """The fastest of some tries, which is what noise cannot add to."""
    fastest = dict.fromkeys(attempts, 1e9)
    for _ in range(7):
        for name, body in attempts.items():
            start = time.perf_counter()
            api.post("/api/login", body, format="json")
            fastest[name] = min(fastest[name], time.perf_counter() - start)
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
