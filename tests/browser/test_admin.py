"""The admin in a real browser: each action, with the content security policy in force and
nothing that axe objects to."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.support.lifecycle import pair_of
from tests.support.people import PASSWORD, make_user
from tokens.models import Session

pytestmark = pytest.mark.django_db(transaction=True)


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
    """axe's rules on the part of the page that is ours. axe styles the page while it looks,
    which the policy refuses: only what was said before it came counts."""
    assert complaints.left() == []
    report = Axe().run(page, context="#content")
    found = {rule["id"]: rule["nodes"][0]["html"] for rule in report.response["violations"]}
    complaints.seen.clear()
    assert found == {}


def confirm(page, **typed):
    for name, text in typed.items():
        page.fill(f"[name={name}]", text)
    page.click("button[name=confirm]")
    page.wait_for_selector(".messagelist .success")


def live():
    return Session.objects.filter(revoked_at=None).count()


def test_what_ends_something_is_red_and_to_be_read(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_revoke", args=[alice.pk]))
    style = admin.get_by_role("button", name="Revoke").evaluate(
        "it => [getComputedStyle(it).backgroundColor, getComputedStyle(it).color]"
    )
    assert style == ["rgb(186, 33, 33)", "rgb(255, 255, 255)"]


LISTS = ["token_blacklist_outstandingtoken", "tokens_session"]


@pytest.mark.parametrize("name", LISTS)
def test_revoke_selected(admin, alice, complaints, name):
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
def test_revoke_all_that_match(admin, alice, name):
    pair_of(alice)
    admin.goto(reverse(f"admin:{name}_changelist"))
    admin.fill("[name=user]", "alice")
    admin.press("[name=user]", "Enter")
    admin.click("text=Revoke all that match")
    confirm(admin, reason="lost device")
    assert live() == 0


@pytest.mark.parametrize("name", LISTS)
def test_revoke_from_the_object_page(admin, alice, name):
    session = pair_of(alice).session
    pk = session.pk if name == "tokens_session" else session.current_id
    admin.goto(reverse(f"admin:{name}_change", args=[pk]))
    admin.click(".object-tools >> text=Revoke")
    confirm(admin, reason="lost device")
    assert live() == 0


def test_revoke_all_of_a_user(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_change", args=[alice.pk]))
    admin.click("text=Revoke all tokens")
    confirm(admin, reason="left the company")
    assert live() == 0


def test_revoke_all_of_many_users(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:auth_user_changelist"))
    admin.check(f"[name=_selected_action][value='{alice.pk}']")
    admin.select_option("[name=action]", "revoke_all_tokens")
    admin.click("button[name=index]")
    confirm(admin, reason="left the company")
    assert live() == 0


def test_revoke_all_of_every_user_that_is_found(admin, alice, complaints):
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


def test_a_name_is_completed_as_it_is_typed(admin, alice, complaints):
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


def test_cut_everybody_off(admin, alice):
    pair_of(alice)
    admin.goto(reverse("admin:tokens_cutoff_add"))
    confirm(admin, reason="key leaked", typed="everybody")
    assert live() == 0
