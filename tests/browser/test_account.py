"""A person logs in, sees where else they are, ends one of it, all of it or all but this device, and
logs out; staff log in on a page of their own. In each of `WAYS`."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.support.people import PASSWORD
from tests.support.person import Person, Way
from tokens.issuing import open_session
from tokens.models import Event, Session
from tokens.origin import Origin

HERE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def held(portal_server, alice: User, bob: User) -> list[Session]:
    """Here, and in two other places; and Bob's."""
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


def said(person: Person, words: str) -> None:
    expect(person.page.get_by_role("status")).to_contain_text(words)
    person.fits()


def test_what_there_is(own: Person) -> None:
    own.open("/account/sessions/")
    rows = own.page.get_by_role("row").filter(has=own.page.get_by_role("rowheader"))
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="this device")).to_contain_text("Firefox")


def test_one(own: Person, alice) -> None:
    own.open("/account/sessions/")
    row = own.page.get_by_role("row").filter(has_text="192.0.2.7")
    own.press(row.get_by_role("link", name="End…"))
    asked(own, "End this session?")
    own.press(own.page.get_by_role("button", name="End session"))
    said(own, "The session is ended.")
    assert live() == ["bob None", "alice 127.0.0.1", "alice 192.0.2.8"]
    assert Event.objects.get(reason="ended by its owner").actor == alice


def test_everywhere_else(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="Log out everywhere else…"))
    asked(own, "Log out everywhere else?")
    own.press(own.page.get_by_role("button", name="Log out everywhere else"))
    said(own, "2 sessions are ended.")
    assert live() == ["bob None", "alice 127.0.0.1"]


def test_all(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="End all sessions…"))
    asked(own, "End all sessions?")
    own.press(own.page.get_by_role("button", name="End all sessions"))
    said(own, "3 sessions are ended.")
    assert live() == ["bob None"]


def test_cancel_ends_nothing(own: Person) -> None:
    own.open("/account/sessions/")
    own.press(own.page.get_by_role("link", name="End all sessions…"))
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
def test_in_and_out(enter: Enter, alice, sam, way: Way, name, entrance, home) -> None:
    person = enter(None, way)
    page = person.page
    person.open(entrance)
    person.write(page.get_by_label("User name"), name)
    person.write(page.get_by_label("Password"), PASSWORD)
    person.press(page.get_by_role("button", name="Log in"))
    expect(page.get_by_role("heading", name=home, level=1)).to_be_visible()
    person.fits()
    person.press(page.get_by_role("banner").get_by_text(name))
    person.press(page.get_by_role("button", name="Log out"))
    expect(page.get_by_label("User name")).to_be_visible()
    person.open(entrance)
    expect(page.get_by_label("User name")).to_be_visible()
