"""Run each action of the admin in a real browser.

The content security policy is in force, and axe finds no violation.
"""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.support.browser.axe import violations
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD, make_user
from tokens.models import Session

# How a browser shows and sends pages does not depend on the database; tests/admin requests them on
# each.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


@pytest.fixture
def sam(transactional_db):
    return make_user("sam", is_staff=True, is_superuser=True)


@pytest.fixture
def alice(transactional_db):
    return make_user("alice")


@pytest.fixture
def admin(page, sam):
    page.goto(reverse("admin:login"))
    page.fill("[name=username]", "sam")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_selector("#user-tools")
    return page


def sound(page, complaints):
    """Check axe's rules on the part of the page that the app renders.

    axe adds styles, which the policy refuses: only complaints from before it count.
    """
    assert complaints.left() == []
    found = violations(page, within="#content")
    complaints.seen.clear()
    assert found == {}


def confirm(page, **typed):
    for name, text in typed.items():
        page.fill(f"[name={name}]", text)
    page.click("button[name=confirm]")
    page.wait_for_selector(".messagelist .success")


def live():
    return Session.objects.filter(revoked_at=None).count()


def test_admin_revoke_button_is_red_with_white_text(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_revoke", args=[alice.pk]))
    style = admin.get_by_role("button", name="Revoke").evaluate(
        "it => [getComputedStyle(it).backgroundColor, getComputedStyle(it).color]"
    )
    assert style == ["rgb(186, 33, 33)", "rgb(255, 255, 255)"]


LISTS = ["token_blacklist_outstandingtoken", "tokens_session"]


@pytest.mark.parametrize("name", LISTS)
def test_admin_action_revokes_the_selected_rows(admin, alice, complaints, name):
    pair_of(alice)
    pair_of(alice)
    admin.goto(reverse(f"admin:{name}_changelist"))
    admin.check("#action-toggle")
    admin.select_option("[name=action]", "revoke_selected")
    admin.click("button[name=index]")
    sound(admin, complaints)
    confirm(admin, reason="lost device")
    assert live() == 0


@pytest.mark.parametrize("name", LISTS)
def test_admin_revokes_all_that_match_a_filter(admin, alice, name):
    pair_of(alice)
    admin.goto(reverse(f"admin:{name}_changelist"))
    admin.fill("[name=user]", "alice")
    admin.press("[name=user]", "Enter")
    admin.click("text=Revoke all that match")
    confirm(admin, reason="lost device")
    assert live() == 0


@pytest.mark.parametrize("name", LISTS)
def test_admin_object_page_revokes_its_session(admin, alice, name):
    session = pair_of(alice).session
    pk = session.pk if name == "tokens_session" else session.current_id
    admin.goto(reverse(f"admin:{name}_change", args=[pk]))
    admin.click(".object-tools >> text=Revoke")
    confirm(admin, reason="lost device")
    assert live() == 0


def test_admin_user_page_revokes_all_tokens_of_the_user(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_change", args=[alice.pk]))
    admin.click("text=Revoke all tokens")
    confirm(admin, reason="left the company")
    assert live() == 0


def test_admin_action_revokes_all_tokens_of_selected_users(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_changelist"))
    admin.check(f"[name=_selected_action][value='{alice.pk}']")
    admin.select_option("[name=action]", "revoke_all_tokens")
    admin.click("button[name=index]")
    confirm(admin, reason="left the company")
    assert live() == 0


def test_admin_action_on_a_search_revokes_only_the_users_found(admin, alice, complaints):
    User.objects.bulk_create(User(username=f"temp{number:03}") for number in range(101))
    pair_of(User.objects.get(username="temp100"))
    kept = pair_of(alice).session
    admin.goto(reverse("admin:auth_user_changelist"))
    admin.fill("#searchbar", "TEMP")
    admin.press("#searchbar", "Enter")
    admin.click("text=older")
    expect(admin.locator("#result_list tbody tr")).to_have_count(1)
    sound(admin, complaints)
    admin.check("#action-toggle")
    admin.select_option("[name=action]", "revoke_all_tokens")
    admin.click("button[name=index]")
    confirm(admin, reason="left the company")
    assert list(Session.objects.filter(revoked_at=None)) == [kept]


def test_admin_filter_completes_a_user_name_as_it_is_typed(admin, alice, complaints):
    pair_of(alice)
    admin.goto(reverse("admin:tokens_session_changelist"))
    with admin.expect_response("**/admin/autocomplete/**"):
        admin.type("[name=user]", "ali")
    offered = admin.locator("#user-offered option")
    offered.first.wait_for(state="attached")
    assert [one.get_attribute("value") for one in offered.all()] == ["alice"]
    admin.fill("[name=user]", "alice")
    admin.press("[name=user]", "Enter")
    admin.wait_for_url("**user=alice**")
    assert admin.locator("#result_list tbody tr").count() == 1
    sound(admin, complaints)


def test_admin_cutoff_for_everybody_ends_all_sessions(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:tokens_cutoff_add"))
    confirm(admin, reason="key leaked", typed="everyone")
    assert live() == 0
