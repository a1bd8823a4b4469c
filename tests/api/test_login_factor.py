"""The second step of a login at the API, and at simplejwt's own view with the app's serializer."""

import json

import pytest
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.views import TokenObtainPairView

from tests.support.factors import code_of, with_app
from tests.support.users import PASSWORD
from tokens.accounts.factors import FactorMissing, new_recovery_codes
from tokens.models import Event, Kind, Session
from tokens.sessions.issue import open_session
from tokens.simplejwt.errors import EnrolmentNeeded
from tokens.simplejwt.serializers import TokenObtainPairSerializer

pytestmark = pytest.mark.django_db
NEEDED = {"detail": "A second factor is needed. Send its code too.", "code": "mfa_required"}
WRONG = {"detail": "No active account found with the given credentials"}


@pytest.fixture(params=["own", "simplejwt"])
def log_in(request):
    """Return a function that logs Alice in, and returns the response."""

    def call(name="alice", **given):
        body = {"username": name, "password": PASSWORD, **given}
        if request.param == "own":
            return APIClient().post("/api/login", body, format="json")
        asked = APIRequestFactory().post("/token/", body, format="json")
        answer = TokenObtainPairView.as_view(serializer_class=TokenObtainPairSerializer)(asked)
        answer.json = lambda: json.loads(answer.render().content)
        return answer

    return call


def test_account_without_factor_logs_in_as_ever(log_in, alice):
    assert set(log_in().json()) == {"refresh", "access"}
    assert set(log_in(code="").json()) == {"refresh", "access"}


def test_password_without_code_is_asked_for_it(log_in, alice):
    with_app(alice)
    answer = log_in()
    assert (answer.status_code, answer.json()) == (401, NEEDED)
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert not Session.objects.exists()
    assert log_in(password="wrong").json()["detail"] == WRONG["detail"]


def test_password_and_code_log_in(log_in, alice):
    key = with_app(alice)
    assert log_in(code=code_of(key)).status_code == 200
    assert log_in(code=new_recovery_codes(alice)[0]).status_code == 200


def test_wrong_code_is_refused_like_a_wrong_password(log_in, alice):
    with_app(alice)
    answer = log_in(code="000000")
    assert (answer.status_code, answer.json()["detail"]) == (401, WRONG["detail"])
    assert Event.objects.get(kind=Kind.LOGIN_REFUSED).reason == "wrong code"


def test_code_is_used_up(log_in, alice):
    code = code_of(with_app(alice))
    assert [log_in(code=code).status_code for _ in range(2)] == [200, 401]


def test_wrong_codes_are_throttled(log_in, alice, settings):
    settings.LOGIN_ATTEMPTS = 2
    with_app(alice)
    answers = [log_in(code="000000") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert int(answers[-1]["Retry-After"]) > 0


@pytest.mark.parametrize("code", [123456, None, ["1"], {}, "1" * 101])
def test_code_of_another_type_is_a_400(alice, code):
    body = {"username": "alice", "password": PASSWORD, "code": code}
    assert APIClient().post("/api/login", body, format="json").status_code == 400


def test_staff_without_a_factor_is_refused_where_it_is_required(log_in, sam, alice, settings):
    settings.STAFF_MFA = "required"
    answer = log_in("sam")
    assert (answer.status_code, answer.json()["code"]) == (401, "mfa_enrolment_required")
    assert log_in().status_code == 200
    key = with_app(sam)
    assert log_in("sam", code=code_of(key)).status_code == 200


def test_no_other_view_opens_a_session_for_them(sam, settings):
    settings.STAFF_MFA = "required"
    with pytest.raises(EnrolmentNeeded):
        RefreshToken.for_user(sam)
    with pytest.raises(FactorMissing):
        open_session(user=sam)
    assert not Session.objects.exists()
    with_app(sam)
    open_session(user=sam)
