"""The network is slow, goes away in mid-click, or loses the answer: the person is told, nothing is
half done, and doing it again is harmless."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import Enter
from tests.support.network import CUT, losing, slow_down
from tests.support.people import PASSWORD
from tests.support.person import Person
from tokens.issuing import open_session
from tokens.models import Event, Kind, Session


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
    """Filled as the requests go out."""
    seen: list[Request] = []

    def look(request: Request) -> None:
        if request.method == method and path in request.url:
            seen.append(request)

    page.on("request", look)
    return seen


def reviewed(desk: Person, held: Session) -> Page:
    """The review of Alice's sessions is open, and a reason chosen."""
    page = desk.page
    desk.open(f"/staff/users/{held.user_id}/")
    page.get_by_role("link", name="Revoke all tokens…").click()
    page.get_by_role("radio", name="lost device").check()
    return page


def live(name: str = "alice") -> int:
    return Session.objects.filter(revoked_at=None, username=name).count()


def test_a_search_while_the_network_is_away(desk: Person, complaints) -> None:
    complaints.allow(CUT)
    page = desk.page
    desk.open("/staff/tokens/")
    page.context.set_offline(True)
    page.get_by_role("searchbox").fill("alice")
    expect(status(page)).to_contain_text("cannot be reached")
    expect(page.get_by_role("link", name="bob")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("link", name="bob")).to_have_count(0)


def test_a_slow_answer_is_announced_and_the_last_search_wins(desk: Person) -> None:
    page = desk.page
    desk.open("/staff/tokens/")
    slow_down(page, latency=700)
    box = page.get_by_role("searchbox")
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


def test_cut_before_the_click_arrives(desk: Person, held: Session, complaints) -> None:
    complaints.allow(CUT)
    page = reviewed(desk, held)
    page.context.set_offline(True)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Doing it again is harmless")
    assert live() == 1
    page.context.set_offline(False)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("Revoked 1 session of 1 person")
    assert live() == 0


def test_cut_after_the_act_and_before_its_answer(desk: Person, held: Session, complaints) -> None:
    complaints.allow(CUT)
    page = reviewed(desk, held)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort("connectionreset")

    page.route("**/staff/revoke/**", lose, times=1)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("it may have happened or not")
    assert live() == 0
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(status(page)).to_contain_text("nothing left to end")
    assert Event.objects.filter(kind=Kind.REVOKE_USER).count() == 1
    assert live("bob") == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (403, "You may not do this"),
        (404, "not there any more"),
        (500, "The portal answered 500"),
        (503, "cannot answer just now"),
    ],
)
def test_a_refusal_reaches_the_person_as_words(desk: Person, complaints, code, words) -> None:
    complaints.allow(str(code))
    page = desk.page
    desk.open("/staff/tokens/")
    page.route("**/staff/tokens/?**", lambda route: route.fulfill(status=code, body="<h1>no"))
    page.get_by_role("searchbox").fill("alice")
    expect(status(page)).to_contain_text(words)
    expect(page.get_by_role("link", name="bob")).to_be_visible()


def test_logged_out_meanwhile_and_back_where_one_was(desk: Person, sam: User) -> None:
    page = desk.page
    desk.open("/staff/tokens/?q=alice")
    page.context.clear_cookies()
    page.get_by_label("Status", exact=True).select_option(label="active")
    page.wait_for_url("**/staff/login/?next=**")
    page.get_by_label("User name").fill("sam")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/tokens/?q=alice")
