"""Log in, see the own sessions, end one, all or all but this one, and log out, in each of `WAYS`.

Staff log in on a page of their own.
"""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.support.browser.person import Person, Way
from tests.support.users import PASSWORD
from tokens.models import Event, Session
from tokens.origin import Origin
from tokens.sessions.issue import open_session

# How a browser shows and sends pages does not depend on the database; tests/staff and tests/account
# request the pages on each.
pytestmark = pytest.mark.once

HERE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def held(portal_server, alice: User, bob: User) -> list[Session]:
    """Open a session of Alice here and two elsewhere, and one of Bob."""
    origins = (
        Origin(ip="127.0.0.1", user_agent=HERE),
        Origin(ip="192.0.2.7", user_agent="okhttp/4"),
        Origin(ip="192.0.2.8", user_agent=HERE),
    )
    open_session(user=bob)
    return [open_session(user=alice, origin=origin).session for origin in origins]


@pytest.fixture
def own(enter: Enter, alice: User, way: Way, held) -> Person:
    return enter(alice, way, user_agent=HERE)


def live() -> list[str]:
    alive = Session.objects.filter(revoked_at=None).order_by("created_at")
    return [f"{session.username} {session.ip}" for session in alive]


def asked(person: Person, question: str) -> None:
    """Nothing has ended yet, and Cancel is what Enter would press."""
    expect(person.page.get_by_role("heading", name=question)).to_be_visible()
    if person.way.scripts:
        expect(person.page.get_by_role("link", name="Cancel")).to_be_focused()
    assert len(live()) == 4
    person.fits()


def expect_message(person: Person, words: str) -> None:
    expect(person.page.get_by_role("status")).to_contain_text(words)
    person.fits()


def test_account_page_lists_own_sessions_and_marks_this_device(own: Person) -> None:
    own.open("/account/sessions/")
    rows = own.page.get_by_role("row").filter(has=own.page.get_by_role("rowheader"))
    # And this browser.
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="This device")).to_contain_text("Firefox")


def test_user_ends_one_own_session(own: Person, alice) -> None:
    own.open("/account/sessions/")
    row = own.page.get_by_role("row").filter(has_text="192.0.2.7")
    own.press(row.get_by_role("link", name="Log out…"))
    asked(own, "Log out this session?")
    own.press(own.page.get_by_role("button", name="Log out this session"))
    expect_message(own, "The session is logged out.")
    assert live() == ["bob None", "alice 127.0.0.1", "alice 192.0.2.8"]
    assert Event.objects.get(reason="ended by its owner").actor == alice


def test_user_logs_out_everywhere_but_this_device(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="Log out everywhere else…"))
    asked(own, "Log out everywhere else?")
    own.press(own.page.get_by_role("button", name="Log out everywhere else"))
    expect_message(own, "2 sessions are logged out.")
    assert live() == ["bob None", "alice 127.0.0.1"]


def test_user_ends_all_own_sessions(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="Log out all devices…"))
    asked(own, "Log out all devices?")
    own.press(own.page.get_by_role("button", name="Log out all devices"))
    expect_message(own, "3 sessions are logged out.")
    assert live() == ["bob None"]


def test_cancelling_on_the_account_page_ends_no_session(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="Log out all devices…"))
    own.press(own.page.get_by_role("link", name="Cancel"))
    expect(own.page.get_by_role("heading", name="Your sessions")).to_be_visible()
    assert len(live()) == 4


@pytest.mark.parametrize(
    ("name", "entrance", "home"),
    [
        ("alice", "/account/login/", "Your sessions"),
        ("sam", "/staff/login/", "Overview"),
    ],
)
def test_user_logs_in_and_out_at_each_login_page(
    enter: Enter, alice, sam, way: Way, name, entrance, home
) -> None:
    person = enter(None, way)
    page = person.page
    person.open(entrance)
    person.write(page.get_by_label("User name"), name)
    person.write(page.get_by_label("Password"), PASSWORD)
    person.press(page.get_by_role("button", name="Log in"))
    expect(page.get_by_role("heading", name=home, level=1)).to_be_visible()
    person.fits()
    person.press(page.get_by_role("banner").locator("summary", has_text=name))
    person.press(page.get_by_role("button", name="Log out"))
    expect(page.get_by_label("User name")).to_be_visible()
    person.open(entrance)
    expect(page.get_by_label("User name")).to_be_visible()
