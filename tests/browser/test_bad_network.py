"""Use the pages on a network that is slow, breaks during a click, or loses the response.

The person gets a message, nothing is half done, and repeating the act is harmless.
"""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Enter
from tests.support.browser.network import CUT, losing, slow_down
from tests.support.browser.person import Person
from tests.support.users import PASSWORD
from tokens.models import Event, Kind, Session
from tokens.sessions.issue import open_session

# What a browser does about a bad network does not depend on the database.
pytestmark = pytest.mark.once


@pytest.fixture
def held(portal_server, alice: User, bob: User) -> Session:
    open_session(user=bob)
    return open_session(user=alice).session


@pytest.fixture
def desk(enter: Enter, sam: User, held: Session) -> Person:
    return enter(sam)


def status(page: Page):
    return page.get_by_role("status")


def sent(page: Page, method: str, path: str) -> list[Request]:
    """Return a list that is filled as the requests go out."""
    seen: list[Request] = []

    def look(request: Request) -> None:
        if request.method == method and path in request.url:
            seen.append(request)

    page.on("request", look)
    return seen


def reviewed(desk: Person, held: Session) -> Page:
    """Open the review of Alice's sessions and choose a reason."""
    page = desk.page
    desk.open(f"/staff/users/{held.user_id}/")
    page.get_by_role("link", name="Revoke all tokens…").click()
    page.get_by_role("radio", name="lost device").check()
    return page


def live(name: str = "alice") -> int:
    return Session.objects.filter(revoked_at=None, username=name).count()


def test_search_without_a_network_tells_the_person_and_keeps_the_rows(
    desk: Person, complaints
) -> None:
    complaints.allow(CUT)
    page = desk.page
    desk.open("/staff/tokens/")
    page.context.set_offline(True)
    page.get_by_role("main").get_by_role("searchbox").fill("alice")
    expect(status(page)).to_contain_text("cannot be reached")
    expect(page.get_by_role("link", name="bob")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("main").get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("link", name="bob")).to_have_count(0)


def test_a_slow_answer_is_announced_and_the_last_search_wins(desk: Person) -> None:
    page = desk.page
    desk.open("/staff/tokens/")
    slow_down(page, latency=700)
    box = page.get_by_role("main").get_by_role("searchbox")
    box.fill("bob")
    expect(page.locator("#progress.htmx-request")).to_be_visible()
    box.fill("alice")
    page.wait_for_url("**q=alice**")
    expect(page.get_by_role("link", name="bob")).to_have_count(0)
    expect(page.get_by_role("link", name="alice")).to_be_visible()


def test_a_double_click_sends_one_request(desk: Person, held: Session) -> None:
    page = reviewed(desk, held)
    slow_down(page, latency=700)
    posts = sent(page, "POST", "/staff/revoke/")
    page.get_by_role("button", name="Revoke 1 session").dblclick()
    expect(status(page)).to_contain_text("Revoked 1 session of 1 person")
    assert len(posts) == 1
    assert Event.objects.filter(kind=Kind.REVOKE_USER).count() == 1


def test_a_double_click_without_htmx_sends_one_request(desk: Person, held: Session) -> None:
    """On the review's own page, which a link opened in a new tab leads to."""
    page = desk.page
    page.route("**/htmx*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    desk.open(f"/staff/revoke/?user={held.user_id}")
    page.get_by_role("radio", name="lost device").check()
    slow_down(page, latency=700)
    posts = sent(page, "POST", "/staff/revoke/")
    page.get_by_role("button", name="Revoke 1 session").dblclick()
    expect(status(page)).to_contain_text("Revoked 1 session of 1 person")
    assert len(posts) == 1


def test_revocation_lost_on_its_way_ends_nothing(desk: Person, held: Session, complaints) -> None:
    complaints.allow(CUT)
    page = reviewed(desk, held)
    page.context.set_offline(True)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Repeating it is safe")
    assert live() == 1
    page.context.set_offline(False)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Revoked 1 session of 1 person")
    assert live() == 0


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/staff/tokens/{jti}/", "Revoke token…"),
        ("/staff/sessions/{sid}/", "Revoke session…"),
        ("/staff/tokens/", "Revoke selected…"),
        ("/staff/sessions/", "Revoke selected…"),
        ("/staff/tokens/?q=alice", "Revoke all that match…"),
        ("/staff/users/{user}/", "Revoke all tokens…"),
    ],
)
def test_revocation_whose_response_is_lost_happens_once(
    desk: Person, held: Session, complaints, address, name
) -> None:
    complaints.allow(CUT)
    page = desk.page
    desk.open(address.format(jti=held.current.jti, sid=held.pk, user=held.user_id))
    if "selected" in name:
        page.get_by_role("row", name="alice").get_by_role("checkbox").check()
    page.get_by_text(name, exact=True).click()
    page.get_by_role("radio", name="lost device").check()
    with losing(page, "POST", "/staff/revoke/", answer=True):
        page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("may have succeeded")
    assert (live(), live("bob")) == (0, 1)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Nothing was revoked")
    assert Event.objects.filter(reason="lost device").count() == 1


def test_revocation_of_everybody_whose_response_is_lost_happens_once(
    desk: Person, held: Session, complaints
):
    complaints.allow(CUT)
    page = desk.page
    desk.open("/staff/sessions/")
    page.get_by_role("link", name="Log everyone out…").click()
    page.get_by_role("radio", name="suspected theft").check()
    page.get_by_label("Type 2 to confirm").fill("2")
    with losing(page, "POST", "/staff/revoke/", answer=True):
        page.get_by_role("button", name="Revoke 2 sessions").click()
    expect(status(page)).to_contain_text("may have succeeded")
    assert (live(), live("bob")) == (0, 0)
    page.get_by_role("button", name="Revoke 2 sessions").click()
    expect(status(page)).to_contain_text("Nothing was revoked")
    assert Event.objects.filter(kind=Kind.CUTOFF).count() == 1


@pytest.mark.parametrize(
    ("path", "summary", "field"),
    [
        ("/staff/tokens/", "More filters", "Client"),
        ("/staff/sessions/", "", "Search sessions"),
        ("/staff/users/", "", "Search users"),
        ("/staff/events/", "", "By"),
    ],
)
def test_pressing_enter_twice_sends_one_request(desk: Person, path, summary, field) -> None:
    """It ends the change of a field, sends its form, and comes while typing counts down."""
    page = desk.page
    desk.open(path)
    asked = sent(page, "GET", f"{path}?")
    if summary:
        page.get_by_text(summary).click()
    box = page.get_by_label(field, exact=True)
    with page.expect_response(f"**{path}?*"):
        box.press_sequentially("alice")
        box.press("Enter")
    page.wait_for_timeout(700)  # longer than typing is waited for
    assert [request.url.rpartition("=")[2] for request in asked] == ["alice"]
    with page.expect_response(f"**{path}?*"):
        page.get_by_role("button", name=re.compile("^(Search|Filter events)$")).click()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (403, "Permission denied"),
        (404, "no longer exists"),
        (500, "The portal answered 500"),
        (503, "The service is unavailable"),
    ],
)
def test_a_refusal_reaches_the_person_as_words(desk: Person, complaints, code, words) -> None:
    complaints.allow(str(code))
    page = desk.page
    desk.open("/staff/tokens/")
    page.route("**/staff/tokens/?**", lambda route: route.fulfill(status=code, body="<h1>no"))
    page.get_by_role("main").get_by_role("searchbox").fill("alice")
    expect(status(page)).to_contain_text(words)
    expect(page.get_by_role("link", name="bob")).to_be_visible()


def test_person_who_was_logged_out_returns_to_the_same_page_after_login(
    desk: Person, sam: User
) -> None:
    page = desk.page
    desk.open("/staff/tokens/?q=alice")
    page.context.clear_cookies()
    page.get_by_label("Status", exact=True).select_option(label="active")
    page.wait_for_url("**/staff/login/?next=**")
    page.get_by_label("User name").fill("sam")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/tokens/?q=alice")


def test_revocation_after_the_browser_session_ended_leads_back_to_its_review(
    desk: Person, sam: User, alice: User
) -> None:
    page = desk.page
    desk.open(f"/staff/users/{alice.pk}/")
    page.get_by_role("link", name="Revoke all tokens…").click()
    page.get_by_role("radio", name="suspected theft").check()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Revoke 1 session").click()
    page.get_by_label("User name").fill("sam")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/revoke/?**")
    expect(page.get_by_text("Nothing was revoked: you had been logged out.")).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Confirm revocation")).to_be_focused()
    expect(page.get_by_role("radio", name="suspected theft")).to_be_checked()
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Revoked 1 session")
    page.wait_for_url(f"**/staff/users/{alice.pk}/")
