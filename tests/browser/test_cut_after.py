"""Lose the network after a revocation, during a long one, an export or a field's suggestions.

Also stop waiting for a response.
"""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Enter
from tests.support.browser.network import CUT, NO_PAGE, losing
from tests.support.browser.person import WAYS
from tests.support.bulk_sessions import hold
from tokens.listing.sessions import SessionQuery
from tokens.models import Event, Kind, RevocationJob, Session
from tokens.revocation import Selection, preview, start_job
from tokens.revocation.reviews import LONG

# What a browser does about an answer that does not come is the same beside any database.
pytestmark = pytest.mark.once

NUMBER = 12
BROWSERS = 8  # of the devices that `hold` gives them
NO_SCRIPTS = WAYS[2]


@pytest.fixture
def held(portal_server, alice: User, bob: User) -> list[Session]:
    hold(bob, 1)
    return hold(alice, NUMBER)


@pytest.fixture
def desk(enter: Enter, sam: User, held, complaints) -> Page:
    complaints.allow(CUT)
    return enter(sam).page


def job_of(user: User, actor: User) -> RevocationJob:
    selection = Selection(users=(user.pk,), matching=SessionQuery(device="Mozilla"))
    found = preview(selection=selection)
    return start_job(selection=selection, found=found, actor=actor, reason="lost device")


def live() -> int:
    return Session.objects.filter(revoked_at=None, username="alice").count()


@pytest.mark.parametrize("code", [None, 503])
def test_rows_that_fail_to_reload_after_a_revocation_are_called_outdated(
    desk: Page, held, complaints, code
) -> None:
    """Show that the act is done and the rows are old; newer rows don't take the focus later."""
    complaints.allow("503")
    page = desk
    page.goto("/staff/sessions/?q=alice")
    row = page.get_by_role("row").filter(has=page.locator(f"[value='{held[0].pk}']"))
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Revoke selected…").click()
    page.get_by_role("radio", name="lost device").check()

    def refuse(route: Route) -> None:
        route.fulfill(status=code) if code else route.abort("connectionreset")

    page.route("**/staff/sessions/?**", refuse, times=1)
    page.get_by_role("button", name="Revoke 1 session").click()
    told = page.get_by_role("status")
    expect(told).to_contain_text("Revoked 1 session of 1 person (alice)")
    expect(told).to_contain_text("Reload the page to see the change.")
    expect(page.get_by_role("button", name="Revoke selected…")).to_be_focused()
    expect(row).to_contain_text("active")
    box = page.get_by_role("main").get_by_role("searchbox")
    box.fill(str(held[0].pk))
    expect(page.get_by_role("rowheader")).to_have_count(1)
    expect(page.locator("#rows")).to_contain_text("lost device")
    expect(box).to_be_focused()


# htmx does this 20 ms after it has swapped: later on a busy machine.
SETTLES_LATE = """() => {
  htmx.config.defaultSettleDelay = 500;
  addEventListener("htmx:afterSettle", () => (document.body.dataset.settled = ""));
}"""


def test_focus_stays_on_the_button_of_a_failed_revocation(desk: Page, alice) -> None:
    """And a review that has been gone into does not take it back to its heading."""
    page = desk
    page.goto(f"/staff/users/{alice.pk}/")
    page.evaluate(SETTLES_LATE)
    page.get_by_role("link", name="Revoke all tokens…").click()
    expect(page.get_by_role("heading", name="Confirm revocation")).to_be_focused()
    reason = page.get_by_role("radio", name="lost device")
    reason.check()
    page.locator("body[data-settled]").wait_for()
    expect(reason).to_be_focused()
    button = page.get_by_role("button", name=f"Revoke {NUMBER} sessions")
    button.focus()
    with losing(page, "POST", "/staff/revoke/"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Repeating it is safe")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(f"Revoked {NUMBER} sessions")


def test_long_revocation_sent_again_starts_one_job(desk: Page, alice) -> None:
    hold(alice, LONG)
    number = LONG + NUMBER
    page = desk
    page.goto("/staff/revoke/?matching=sessions&q=alice&issued_after=2001-01-01")
    page.get_by_role("radio", name="lost device").check()
    page.get_by_label(f"Type {number} to confirm").fill(str(number))
    button = page.get_by_role("button", name=f"Revoke {number:,} sessions")
    for answer in (False, True):
        with losing(page, "POST", "/staff/revoke/", answer=answer):
            button.click()
        expect(page.get_by_role("status")).to_contain_text("may have succeeded")
        assert RevocationJob.objects.count() == answer
        page.get_by_role("button", name="Dismiss").click()
    button.click()
    expect(page.get_by_role("heading", name="Finished")).to_be_visible(timeout=30_000)
    assert (live(), RevocationJob.objects.get().sessions) == (0, number)


@pytest.mark.slow
def test_batch_whose_response_is_lost_is_counted_once(desk: Page, alice, sam) -> None:
    """The page asks again by itself; what it then says is so."""
    job = job_of(alice, sam)
    path = f"/staff/revoke/{job.pk}/"
    with losing(desk, "POST", path, answer=True):
        desk.goto(path)
    assert live() == NUMBER - BROWSERS
    expect(desk.get_by_role("heading", name="Finished")).to_be_visible(timeout=30_000)
    expect(desk.get_by_role("region", name="Details")).to_contain_text("sam")
    assert RevocationJob.objects.get().sessions == BROWSERS
    assert Event.objects.filter(kind=Kind.REVOKE_MATCHING).count() == 1


def test_batch_started_without_scripts_survives_a_lost_response(
    enter: Enter, held, alice, sam, complaints
) -> None:
    complaints.allow(CUT)
    page = enter(sam, NO_SCRIPTS).page
    path = f"/staff/revoke/{job_of(alice, sam).pk}/"
    for answer in (False, True):
        page.goto(path)
        with losing(page, "POST", path, answer=answer):
            page.get_by_role("button", name="Continue").click()
        page.wait_for_url(NO_PAGE)
        assert live() == NUMBER - BROWSERS * answer
    page.reload()
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    assert RevocationJob.objects.get().sessions == BROWSERS


def test_export_is_recorded_whether_or_not_it_arrives(desk: Page) -> None:
    """Each time that the portal gave it out is written down, whether it arrived or not."""
    page = desk
    button = page.get_by_role("button", name="Export as CSV")
    for answer in (False, True):
        page.goto("/staff/events/?kind=exported")
        with losing(page, "POST", "/staff/events/export", answer=answer):
            button.click()
        page.wait_for_url(NO_PAGE)
        assert Event.objects.filter(kind=Kind.EXPORTED).count() == answer
    page.go_back()
    with page.expect_download() as download:
        button.click()
    assert "exported" in download.value.path().read_text()
    assert Event.objects.filter(kind=Kind.EXPORTED).count() == 2


def test_lost_name_completion_is_requested_again(desk: Page, complaints) -> None:
    """Typed again it is asked for again."""
    page = desk
    page.goto("/admin/tokens/session/")
    field = page.locator("[name=user]")
    with losing(page, "GET", "/admin/autocomplete/"):
        field.fill("ali")
    field.fill("")
    field.fill("ali")
    expect(page.locator("#user-offered option")).to_have_attribute("value", "alice")


def test_form_stopped_while_sending_can_be_sent_again(
    enter: Enter, held, alice, complaints
) -> None:
    """Nothing came, not even an error. What keeps a double click from being two ends with it."""
    complaints.allow(CUT)
    page = enter(alice).page
    page.goto("/account/sessions/end/")
    hanging: list[Route] = []
    posts = re.compile("/account/sessions/end/$")

    def hang(route: Route) -> None:
        if route.request.method == "POST":
            hanging.append(route)
        else:
            route.fallback()

    page.route(posts, hang)
    button = page.get_by_role("button", name="Log out all devices")
    with page.expect_request(posts):
        button.click(no_wait_after=True)
    with page.expect_event("requestfailed"):
        page.context.new_cdp_session(page).send("Page.stopLoading")
    expect(page.locator("form[data-sent]")).to_have_count(0)
    page.unroute(posts, hang)
    button.click()
    expect(page.get_by_role("status")).to_contain_text(f"{NUMBER} sessions are logged out.")
    assert len(hanging) == 1
    assert live() == 0
