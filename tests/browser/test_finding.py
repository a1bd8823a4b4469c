"""Find a token, filter the list, share its address, page through it and return.

Each test runs in each of `WAYS`.
"""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ways_with
from tests.support.browser.person import Person, Way
from tests.support.bulk_sessions import hold, logged
from tests.support.users import make_user
from tokens.models import Session
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session

# How a browser shows and sends pages does not depend on the database; tests/staff and tests/account
# request the pages on each.
pytestmark = pytest.mark.once

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def hers(portal_server, alice: User) -> Session:
    origin = Origin(ip="192.0.2.7", user_agent=FIREFOX)
    return open_session(user=alice, origin=origin).session


@pytest.fixture
def his(portal_server, bob: User, sam: User) -> Session:
    session = open_session(user=bob, origin=Origin(ip="192.0.2.8", user_agent="okhttp/4")).session
    revoke_session(session=session, actor=sam, reason="lost device")
    return session


def rows(page: Page) -> Locator:
    return page.get_by_role("table").get_by_role("row").filter(has=page.get_by_role("rowheader"))


def search(person: Person, text: str, what: str = "tokens") -> None:
    """Typing is enough where scripts run; else it is sent, as any form is."""
    box = person.page.get_by_role("searchbox", name=f"Search {what}")
    person.write(box, text)
    if not person.way.scripts:
        person.send(box)


def choose(person: Person, name: str, value: str) -> None:
    """As with the search."""
    field = person.page.get_by_label(name, exact=True)
    person.choose(field, value)
    if not person.way.scripts:
        person.press(person.page.get_by_role("button", name=re.compile("^(Search|Filter events)$")))


def only(person: Person, name: str) -> None:
    """One row, of that person; and it fits."""
    expect(rows(person.page)).to_have_count(1)
    expect(rows(person.page)).to_contain_text(name)
    person.fits()


@pytest.mark.parametrize(("way", "what"), ways_with(("tokens",), ("sessions",)), indirect=["way"])
def test_search_finds_by_name_email_jti_sid_and_address(staff: Person, hers, his, what) -> None:
    staff.open(f"/staff/{what}/")
    expect(rows(staff.page)).to_have_count(2)
    for text in ("alice", "alice@example.com", hers.current.jti[:20], str(hers.pk), "192.0.2.7"):
        search(staff, text, what)
        staff.page.wait_for_url(lambda url, text=text: f"q={text.replace('@', '%40')}" in url)
        only(staff, "alice")


def test_filter_is_in_an_address_that_a_colleague_can_open(
    staff: Person, enter, viewer, hers, his
) -> None:
    staff.open("/staff/tokens/")
    choose(staff, "Status", "revoked")
    staff.page.wait_for_url("**status=revoked**")
    only(staff, "bob")
    expect(rows(staff.page)).to_contain_text("lost device")
    colleague = enter(viewer)
    colleague.open(staff.page.url)
    only(colleague, "bob")


@pytest.mark.parametrize(
    ("way", "what", "status", "name"),
    ways_with(("sessions", "revoked", "bob"), ("users", "not active", "carol")),
    indirect=["way"],
)
def test_status_filter_narrows_the_list(staff: Person, hers, his, what, status, name) -> None:
    make_user("carol", is_active=False)
    staff.open(f"/staff/{what}/")
    choose(staff, "Status", status)
    staff.page.wait_for_url("**status=**")
    only(staff, name)


@pytest.mark.parametrize(("way", "what"), ways_with(("tokens",), ("sessions",)), indirect=["way"])
def test_folded_filters_narrow_the_list(staff: Person, hers, his, what) -> None:
    staff.open(f"/staff/{what}/")
    staff.press(staff.page.get_by_text("More filters"))
    expect(staff.page.get_by_text("Times are in UTC.").first).to_be_visible()
    staff.write(staff.page.get_by_label("Device"), "okhttp")
    staff.send(staff.page.get_by_label("Device"))
    staff.page.wait_for_url("**device=okhttp**")
    only(staff, "bob")
    staff.press(staff.page.get_by_role("link", name="Clear filters").first)
    expect(rows(staff.page)).to_have_count(2)


def test_empty_result_says_how_to_go_on(staff: Person, hers) -> None:
    staff.open("/staff/tokens/")
    search(staff, "nobody-like-this")
    expect(staff.page.get_by_role("heading", name="No results")).to_be_visible()
    staff.fits()
    staff.press(staff.page.get_by_role("link", name="Clear filters").first)
    only(staff, "alice")


@pytest.mark.parametrize(("way", "what"), ways_with(("tokens",), ("events",)), indirect=["way"])
def test_older_newer_and_the_back_button_lead_through_the_pages(
    staff: Person, alice, portal_server, what
) -> None:
    logged(alice, hold(alice, 70))
    page = staff.page
    staff.open(f"/staff/{what}/")
    staff.fits()
    first = rows(page).first.inner_text()
    expect(rows(page)).to_have_count(50)
    staff.press(page.get_by_role("link", name=re.compile("older")), from_the_end=True)
    expect(rows(page)).to_have_count(20)
    staff.fits()
    staff.press(page.get_by_role("link", name=re.compile("newer")), from_the_end=True)
    expect(rows(page)).to_have_count(50)
    assert rows(page).first.inner_text() == first
    page.go_back()
    expect(rows(page)).to_have_count(20)
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(50)


def test_back_button_returns_from_a_token_to_its_search(staff: Person, hers, his) -> None:
    staff.open("/staff/tokens/")
    search(staff, "alice")
    only(staff, "alice")
    staff.press(rows(staff.page).get_by_role("link").nth(1))
    expect(staff.page.get_by_role("heading", name="Claims")).to_be_visible()
    staff.page.go_back()
    only(staff, "alice")
    box = staff.page.get_by_role("searchbox", name="Search tokens")
    expect(box).to_have_value("alice")


def test_user_list_finds_people(staff: Person, hers, his) -> None:
    staff.open("/staff/users/")
    search(staff, "ali", "users")
    only(staff, "alice")
    staff.press(rows(staff.page).get_by_role("link", name="alice"))
    expect(staff.page.get_by_role("heading", name="alice")).to_be_visible()
    only(staff, "192.0.2.7")


def test_filters_of_the_trail_are_folded_on_a_phone_and_say_what_is_set(enter, sam) -> None:
    person = enter(sam, Way("phone", width=360, touch=True))
    person.open("/staff/events/?kind=revocations&actor=sam")
    page = person.page
    expect(page.get_by_label("What", exact=True)).not_to_be_visible()
    expect(page.get_by_role("link", name="What Revocations")).to_be_visible()
    person.press(page.get_by_text("Filters", exact=True))
    expect(page.get_by_role("link", name="What Revocations")).not_to_be_visible()
    page.get_by_label("What", exact=True).select_option("")
    page.wait_for_url("**/staff/events/?actor=sam")
    person.press(page.get_by_text("Filters", exact=True))
    expect(page.locator("#events-set")).to_have_text(re.compile(r"^\s*Remove filter:\s+By\s+sam"))
    person.press(page.locator("#events-set a"))
    page.wait_for_url(lambda url: url.rstrip("?").endswith("/staff/events/"))
    person.fits()
