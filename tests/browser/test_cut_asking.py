"""Lose the network during a search, a filter, a page of a list, a review or a link.

If a fragment was requested, the person gets a message and the rest of the page stays. For a whole
page, Chromium shows an error. The next request works.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import Enter
from tests.support.browser.network import CUT, NO_PAGE, losing
from tests.support.browser.person import WAYS
from tests.support.bulk_sessions import hold, logged
from tests.support.routes import Things
from tokens.models import Event, Kind
from tokens.revocation import revoke_session

# What a browser does about an answer that does not come is the same beside any database.
pytestmark = pytest.mark.once

SCRIPTS, NO_SCRIPTS = WAYS[0], WAYS[2]
SEND = re.compile("^(Search|Filter events)$")
Do = Callable[[Page], Any]


@pytest.fixture
def names(portal_server, alice: User, bob: User, sam: User) -> dict[str, Any]:
    """Sixty sessions of Alice's, one of them ended, one of Bob's, and sixty accounts more."""
    held = hold(alice, 60)
    logged(alice, held)
    revoke_session(session=held[-1], actor=sam, reason="lost device")
    User.objects.bulk_create(User(username=f"temp{number:02}") for number in range(60))
    return Things(bob=bob, sam=sam).named


def press(name: str, role: Any = "link") -> Do:
    return lambda page: page.get_by_role(role, name=name).first.click()


def a_part(page: Page, path: str, do: Do, again: Do | None = None) -> None:
    """Lost, told, and asked for again."""
    seen = page.locator("#rows:not(#events #rows), #events, #main:not(:has(#rows, #events))")
    before = (seen.inner_text(), page.url)
    with losing(page, "GET", path):
        do(page)
    expect(page.get_by_role("status")).to_contain_text("The portal cannot be reached")
    expect(page.locator(".htmx-request, #main :disabled:not([data-needs-picks])")).to_have_count(0)
    assert (seen.inner_text(), page.url) == before
    (again or do)(page)


def a_page(page: Page, path: str, do: Do) -> None:
    """Lost; Chromium says so; and asked for again from where one was."""
    at = page.url
    with losing(page, "GET", path):
        do(page)
    page.wait_for_url(NO_PAGE)
    page.goto(at)
    do(page)


LISTS = {
    "tokens": ("Search tokens", "Status", "revoked", "?status=revoked"),
    "sessions": ("Search sessions", "Status", "revoked", "?status=revoked"),
    "users": ("Search users", "Status", "not active", "?status=inactive"),
    "events": ("Token (jti)", "What", "session revoked", "?kind=revoke_session"),
}


@pytest.mark.parametrize("what", LISTS)
def test_lost_list_request_with_scripts_keeps_the_rows_and_can_be_repeated(
    enter: Enter, sam, names, complaints, what
) -> None:
    complaints.allow(CUT)
    page = enter(sam, SCRIPTS).page
    path = f"/staff/{what}/"
    field, filters, value, chosen = LISTS[what]
    box, choice = page.get_by_label(field, exact=True), page.get_by_label(filters, exact=True)

    page.goto(path)
    a_part(page, path, press("older"))
    newer = page.get_by_role("link", name="newer")
    expect(newer).to_be_visible()
    a_part(page, path, press("newer"))
    expect(newer).to_have_count(0)

    page.goto(path)
    a_part(page, path, lambda _: box.fill("temp7"), lambda _: box.press("Enter"))
    page.wait_for_url(f"{path}?*=temp7")
    expect(box).to_be_focused()
    a_page(page, path, press("Clear filters"))
    page.wait_for_url(path)

    a_part(page, path, lambda _: choice.select_option(label=value), press(SEND, "button"))
    page.wait_for_url(f"{path}{chosen}")


@pytest.mark.parametrize("what", LISTS)
def test_lost_list_request_without_scripts_can_be_repeated(
    enter: Enter, sam, names, complaints, what
) -> None:
    complaints.allow(CUT)
    page = enter(sam, NO_SCRIPTS).page
    path = f"/staff/{what}/"
    field, filters, value, _ = LISTS[what]
    box, choice = page.get_by_label(field, exact=True), page.get_by_label(filters, exact=True)

    def search(page: Page) -> None:
        box.fill("temp7")
        box.press("Enter")

    def choose(page: Page) -> None:
        choice.select_option(label=value)
        page.get_by_role("button", name=SEND).click()

    page.goto(path)
    a_page(page, path, press("older"))
    page.wait_for_url(f"{path}?page=*")
    a_page(page, path, search)
    expect(box).to_have_value("temp7")
    a_page(page, path, press("Clear filters"))
    page.wait_for_url(path)
    a_page(page, path, choose)
    expect(page.get_by_label(filters, exact=True).locator("option:checked")).to_have_text(value)


@pytest.mark.parametrize("what", ["tokens", "sessions"])
def test_lost_request_of_the_folded_filters_can_be_repeated(
    enter: Enter, sam, names, complaints, what
) -> None:
    """The folded ones; Enter closes them, and the focus is where they were."""
    complaints.allow(CUT)
    page = enter(sam, SCRIPTS).page
    box = page.get_by_label("Device", exact=True)

    def narrow(page: Page) -> None:
        page.get_by_text("More filters").click()
        box.fill("okhttp")
        box.press("Enter")

    page.goto(f"/staff/{what}/")
    a_part(page, f"/staff/{what}/", narrow)
    page.wait_for_url("**device=okhttp")
    expect(page.locator("summary").filter(has_text="More filters")).to_be_focused()


REVIEWS = (
    ("/staff/tokens/{jti}/", "Revoke token…"),
    ("/staff/sessions/{sid}/", "Revoke session…"),
    ("/staff/users/{user}/", "Revoke all tokens…"),
    ("/staff/tokens/?q=alice", "Revoke all that match…"),
    ("/staff/sessions/", "Revoke selected…"),
    ("/staff/", "Log everyone out…"),
)


def test_lost_review_opens_when_it_is_requested_again(enter: Enter, sam, names, complaints) -> None:
    """It opens when it is asked for again, and closed it leaves the focus where it was."""
    complaints.allow(CUT)
    page = enter(sam, SCRIPTS).page
    dialog = page.get_by_role("dialog")
    for at, name in REVIEWS:
        page.goto(at.format(**names))
        if "selected" in name:
            page.get_by_role("checkbox", name="Select session").first.check()
        opener = page.get_by_text(name, exact=True)
        a_part(page, "/staff/revoke/", lambda _, opener=opener: opener.click())
        expect(dialog).to_be_visible()
        expect(page.get_by_role("status")).to_be_empty()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(opener).to_be_focused()
    opener.click()
    page.get_by_role("link", name="Choose another time…").click()
    before = page.get_by_role("button", name="Review…")
    with losing(page, "GET", "/staff/revoke/"):
        before.click()
    expect(dialog.get_by_role("status")).to_contain_text("The portal cannot be reached")
    before.click()
    expect(dialog).to_contain_text("This revokes")


STAFF = (
    ("/staff/", "Tokens", "/staff/tokens/", "Tokens"),
    ("/staff/", "Inspect", "/staff/inspect/", "Inspect tokens"),
    ("/staff/inspect/", "Overview", "/staff/", "Overview"),
    ("/staff/", "Continue", "/staff/revoke/{job}/", "Bulk revocation"),
    ("/staff/tokens/?user={user}", "{short_jti}", "/staff/tokens/{jti}/", "Claims"),
    ("/staff/tokens/{jti}/", "{short_sid}", "/staff/sessions/{sid}/", "Session"),
    ("/staff/users/?q=bob", "bob", "/staff/users/{user}/", "bob"),
    ("/staff/sessions/{sid}/", "bob", "/staff/users/{user}/", "bob"),
    ("/staff/users/{user}/", "Show in the audit trail", "/staff/events/", "Audit trail"),
    ("/admin/", "Sessions", "/admin/tokens/session/", "Select session"),
    ("/admin/auth/user/{user}/change/", "Revoke all tokens", "/admin/auth/user/{user}/revoke/",
     "Revoke all tokens"),
)  # fmt: skip
OWN = (
    ("/account/sessions/", "Log out…", "/account/sessions/{mine}/end/", "Log out this session?"),
    (
        "/account/sessions/",
        "Log out all devices…",
        "/account/sessions/end/",
        "Log out all devices?",
    ),
    ("/account/sessions/end/", "Cancel", "/account/sessions/", "Your sessions"),
)


def follow(page: Page, links: Any, names: dict[str, Any]) -> None:
    for at, name, path, heading in links:
        page.goto(at.format(**names))
        a_page(page, path.format(**names), press(name.format(**names)))
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()


def test_lost_staff_link_works_when_it_is_followed_again(
    enter: Enter, sam, names, complaints
) -> None:
    complaints.allow(CUT)
    short = {
        f"short_{key}": f"{str(names[key])[:8]}…{str(names[key])[-4:]}" for key in ("jti", "sid")
    }
    follow(enter(sam, SCRIPTS).page, STAFF, names | short)
    # Once by the link, and before and after the loss of the next one; not for what did not come.
    assert Event.objects.filter(kind=Kind.CLAIMS_VIEWED, jti=names["jti"]).count() == 3


def test_lost_admin_list_request_can_be_repeated(enter: Enter, sam, names, complaints) -> None:
    complaints.allow(CUT)
    page = enter(sam, SCRIPTS).page

    def narrow(page: Page) -> None:
        page.get_by_label("Account", exact=True).fill("bob")
        page.get_by_label("Account", exact=True).press("Enter")

    path = "/admin/tokens/session/"
    page.goto(path)
    a_page(page, path, narrow)
    page.wait_for_url(f"{path}?*user=bob*")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    a_page(page, path, press("clear"))
    page.wait_for_url(lambda url: "bob" not in url)


def test_lost_account_link_works_when_it_is_followed_again(
    enter: Enter, bob, names, complaints
) -> None:
    complaints.allow(CUT)
    follow(enter(bob, SCRIPTS).page, OWN, names | {"mine": names["sid"]})


def test_controls_that_need_no_network_work_without_one(
    enter: Enter, sam, names, complaints
) -> None:
    """An id is copied, the theme changed, and the API's page, once it is there, is read."""
    complaints.allow(CUT)
    page = enter(sam, SCRIPTS, permissions=["clipboard-read", "clipboard-write"]).page
    page.goto(f"/staff/tokens/?user={names['user']}")
    page.context.set_offline(True)
    page.get_by_role("button", name="Copy the id of token").first.click()
    expect(page.get_by_role("status")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == names["jti"]
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.context.set_offline(False)
    with losing(page, "GET", "/api/docs"), pytest.raises(Error, match="ERR_CONNECTION_RESET"):
        page.goto("/api/docs")
    page.wait_for_url(NO_PAGE)
    page.goto("/api/docs")
    page.context.set_offline(True)
    page.get_by_role("link", name="GET /api/staff/tokens", exact=True).click()
    expect(page.locator("#staff_tokens")).to_be_in_viewport()
