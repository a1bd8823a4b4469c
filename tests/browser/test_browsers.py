"""Two browsers of one user: each is listed, and one ends without the other, in each of `WAYS`."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Enter
from tests.support.browser.person import Person, Way
from tests.support.users import PASSWORD
from tokens.models import Event, Kind

pytestmark = pytest.mark.once

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
LAPTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
OWN = "/account/sessions/"


def log_in(enter: Enter, user: User, way: Way, agent: str) -> Person:
    """Log in on the login page, which sees the device."""
    person = enter(None, way, user_agent=agent)
    person.open("/account/login/")
    person.page.get_by_label("User name").fill(user.username)
    person.page.get_by_label("Password").fill(PASSWORD)
    person.press(person.page.get_by_role("button", name="Log in"))
    expect(person.page.get_by_role("heading", name="Your sessions")).to_be_visible()
    return person


@pytest.fixture
def laptop(enter: Enter, alice: User, way: Way) -> Person:
    return log_in(enter, alice, way, LAPTOP)


@pytest.fixture
def phone(enter: Enter, alice: User, way: Way) -> Person:
    return log_in(enter, alice, way, PHONE)


def expect_login(person: Person) -> None:
    person.page.goto(OWN)
    expect(person.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_one_browser_logs_the_other_out(laptop: Person, phone: Person) -> None:
    laptop.open(OWN)
    rows = laptop.page.get_by_role("row")
    expect(rows.filter(has_text="This browser")).to_contain_text("Firefox")
    laptop.press(rows.filter(has_text="iPhone").get_by_role("link", name="Log out…"))
    expect(laptop.page.get_by_role("heading", name="Log out this session?")).to_be_visible()
    laptop.fits()
    laptop.press(laptop.page.get_by_role("button", name="Log out this session"))
    expect(laptop.page.get_by_role("status")).to_contain_text("The session is logged out.")
    expect(laptop.page.get_by_role("row").filter(has_text="iPhone")).to_have_count(0)
    expect_login(phone)


def test_user_names_a_browser(laptop: Person) -> None:
    laptop.open(OWN)
    laptop.press(laptop.page.get_by_role("link", name="Name…"))
    laptop.page.get_by_label("Name").fill("Work laptop")
    laptop.fits()
    laptop.press(laptop.page.get_by_role("button", name="Save"))
    row = laptop.page.get_by_role("row").filter(has_text="This browser")
    expect(row).to_contain_text("Work laptop")
    laptop.fits()


def test_staff_revoke_one_browser(
    staff: Person, laptop: Person, phone: Person, alice: User
) -> None:
    staff.open(f"/staff/users/{alice.pk}/")
    row = staff.page.get_by_role("row").filter(has_text="iPhone")
    staff.press(row.get_by_role("link", name="Revoke…"))
    expect(staff.page.get_by_role("heading", name="Confirm revocation")).to_be_visible()
    staff.fits()
    staff.page.get_by_label("lost device").check()
    staff.press(staff.page.get_by_role("button", name="Revoke", exact=True))
    expect(staff.page.get_by_role("status")).to_contain_text("Revoked a browser session of alice.")
    expect(staff.page.get_by_role("row").filter(has_text="iPhone")).to_have_count(0)
    expect(staff.page.get_by_role("row").filter(has_text="Firefox")).to_have_count(1)
    assert Event.objects.get(kind=Kind.REVOKE_BROWSERS).reason == "lost device"
    expect_login(phone)
    laptop.page.goto(OWN)
    expect(laptop.page.get_by_role("heading", name="Your sessions")).to_be_visible()
