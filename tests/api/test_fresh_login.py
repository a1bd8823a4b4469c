"""A call of staff with a long reach needs a login of the last minutes (RFC 9470)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.support.tokens import jti, pair_of
from tests.support.users import PASSWORD
from tokens.db import clock
from tokens.models import Session
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db
BODY = {"reason": "lost"}


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def call(client, sam):
    """Return a function that posts with a bearer token of a session that is some minutes old."""
    pair = client.post("/api/login", {"username": "sam", "password": PASSWORD}, format="json")
    access = pair.json()["access"]

    def post(path, *, minutes):
        opened = clock.now() - timedelta(minutes=minutes)
        Session.objects.filter(user=sam).update(created_at=opened)
        headers = {"Authorization": f"Bearer {access}"}
        return client.post(f"/api/staff/{path}/revoke", BODY, format="json", headers=headers)

    return post


def assert_asks(answer):
    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "This call needs a newer login. Log in again and repeat it.",
        "code": "insufficient_user_authentication",
    }
    assert answer["WWW-Authenticate"] == (
        'Bearer error="insufficient_user_authentication", error_description="This call needs a '
        'newer login. Log in again and repeat it.", max_age=600'
    )


def test_all_of_a_user_with_many_sessions(call, alice):
    for _ in range(26):
        open_session(user=alice)
    assert_asks(call(f"users/{alice.pk}", minutes=11))
    assert Session.objects.filter(user=alice, revoked_at=None).count() == 26
    assert call(f"users/{alice.pk}", minutes=9).json()["sessions"] == 26


def test_few_sessions_need_none(call, alice):
    session = open_session(user=alice).session
    assert call(f"sessions/{session.pk}", minutes=60).status_code == 200
    assert call(f"users/{alice.pk}", minutes=60).status_code == 200


@pytest.mark.parametrize("what", ["users", "sessions", "tokens"])
def test_anything_of_a_superuser(call, what):
    root = User.objects.create_superuser("root", password=PASSWORD)
    issued = pair_of(root)
    key = {"users": root.pk, "sessions": issued.session.pk, "tokens": jti(issued.refresh)}[what]
    assert_asks(call(f"{what}/{key}", minutes=11))
    assert call(f"{what}/{key}", minutes=1).status_code == 200


def test_own_sessions_need_none(call, sam):
    for _ in range(30):
        open_session(user=sam)
    assert call(f"users/{sam.pk}", minutes=60).status_code == 200


def test_no_minutes_ask_for_nothing(call, alice, settings):
    settings.STEP_UP_MINUTES = 0
    for _ in range(26):
        open_session(user=alice)
    assert call(f"users/{alice.pk}", minutes=60).status_code == 200


def test_limit_of_none_asks_for_each_session_of_others(call, alice, sam, settings):
    settings.STEP_UP_OVER = 0
    issued = pair_of(alice)
    own = pair_of(sam).session
    assert_asks(call(f"sessions/{issued.session.pk}", minutes=11))
    assert_asks(call(f"tokens/{jti(issued.refresh)}", minutes=11))
    assert call(f"sessions/{own.pk}", minutes=60).status_code == 200
    assert call(f"sessions/{issued.session.pk}", minutes=1).status_code == 200


class ReadUser:
    """Be a middleware that looks at the user of each request, as some of a project do."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, *_view):
        str(request.user)


@pytest.fixture
def eager(settings):
    kept = [name for name in settings.MIDDLEWARE if not name.endswith("ApiSkipsPageMiddleware")]
    settings.MIDDLEWARE = [*kept, f"{__name__}.ReadUser"]


def test_browser_session_of_another_person_is_no_proof(eager, client, call, alice):
    for _ in range(26):
        open_session(user=alice)
    client.force_login(User.objects.create_user("mallory", password=PASSWORD))
    assert_asks(call(f"users/{alice.pk}", minutes=11))
