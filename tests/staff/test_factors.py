"""Staff reset the second factors of an account."""

import pytest
from django.core.management import CommandError, call_command

from tests.support.factors import with_app
from tests.support.users import make_staff
from tokens.accounts.factors import codes_left, has_factor, new_recovery_codes
from tokens.models import Event, Kind

pytestmark = pytest.mark.django_db
HELPER = ("view_outstandingtoken", "reset_factor")


@pytest.fixture
def helper():
    return make_staff("helper", *HELPER)


@pytest.fixture
def desk(client, helper):
    client.force_login(helper)
    return client


def page_of(user):
    return f"/staff/users/{user.pk}/"


def test_reset_removes_all_with_its_reason(desk, helper, alice):
    with_app(alice)
    new_recovery_codes(alice)
    assert "reset…" in desk.get(page_of(alice)).text
    review = desk.get(f"{page_of(alice)}reset-factors/").text
    assert "phone: authenticator app" in review
    assert "10 recovery codes" in review
    answer = desk.post(f"{page_of(alice)}reset-factors/", {"reason": "called from the desk"})
    assert answer.url == page_of(alice)
    assert not has_factor(alice)
    assert codes_left(alice) == 0
    assert "No second factor" in desk.get(page_of(alice)).text
    event = Event.objects.get(kind=Kind.FACTORS_RESET)
    assert (event.actor, event.subject, event.reason) == (helper, alice, "called from the desk")


def test_reset_without_a_reason_changes_nothing(desk, alice):
    with_app(alice)
    answer = desk.post(f"{page_of(alice)}reset-factors/", {"reason": " "})
    assert answer.status_code == 422
    assert "This field is required" in answer.text
    assert has_factor(alice)


def test_account_without_factors_has_nothing_to_reset(desk, alice):
    assert "reset…" not in desk.get(page_of(alice)).text
    assert "has no second factor" in desk.get(f"{page_of(alice)}reset-factors/").text
    desk.post(f"{page_of(alice)}reset-factors/", {"reason": "why"})
    assert not Event.objects.filter(kind=Kind.FACTORS_RESET).exists()


def test_superuser_needs_the_right_to_end_one(desk, sam):
    with_app(sam)
    assert "reset…" not in desk.get(page_of(sam)).text
    assert desk.post(f"{page_of(sam)}reset-factors/", {"reason": "why"}).status_code == 403
    assert has_factor(sam)


def test_other_staff_may_not(client, revoker, alice):
    with_app(alice)
    client.force_login(revoker)
    assert client.post(f"{page_of(alice)}reset-factors/", {"reason": "why"}).status_code == 403
    assert has_factor(alice)


@pytest.mark.parametrize("key", ["0", "stranger", "9" * 40, "é"])
def test_unknown_account_is_not_found(desk, key):
    assert desk.get(f"/staff/users/{key}/reset-factors/").status_code == 404


def test_command_resets(alice, capsys):
    with_app(alice)
    call_command("reset_factors", "alice", reason="called")
    assert "The password alone logs in." in capsys.readouterr().out
    assert not has_factor(alice)
    call_command("reset_factors", "alice", reason="called")
    assert "alice has no second factor." in capsys.readouterr().out
    with pytest.raises(CommandError, match="No account is named"):
        call_command("reset_factors", "stranger", reason="called")
