"""Second factors in Chromium: an app by its key, and a passkey of a virtual authenticator."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import signed_in
from tests.support.browser.chromium import PATIENCE
from tests.support.factors import code_of, with_app
from tests.support.users import PASSWORD
from tokens.accounts import factors, totp
from tokens.models import Event, Factor, FactorKind, Kind

pytestmark = pytest.mark.once
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page(browser, portal_server, complaints):
    """Open a page under a host name, which a passkey needs, with an authenticator."""
    url = portal_server.url.replace("127.0.0.1", "localhost")
    context = browser.new_context(base_url=url, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE)
    complaints.watch(context)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.authenticator = session, added["authenticatorId"]
    page.url_of_portal = url
    yield page
    context.close()
    assert complaints.left() == []


def enter_password(page: Page, path: str = "/account/login/", name: str = "alice") -> None:
    page.goto(path)
    page.get_by_label("User name", exact=False).fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_passkey_is_added_and_logs_in(page, alice: User):
    signed_in(page.context, alice, page.url_of_portal)
    page.goto("/account/factors/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    factor = Factor.objects.get(user=alice)
    assert (factor.kind, factor.name) == (FactorKind.PASSKEY, "laptop")
    page.context.clear_cookies()
    enter_password(page)
    expect(page).to_have_url(re.compile("/account/login/code/"))
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Your sessions")).to_be_visible()
    assert Event.objects.filter(kind=Kind.LOGIN, subject=alice).count() == 1
    factor.refresh_from_db()
    assert factor.last_used_at is not None


def test_passkey_of_another_authenticator_is_refused(page, alice: User):
    signed_in(page.context, alice, page.url_of_portal)
    page.goto("/account/factors/passkey/")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    session, authenticator = page.authenticator
    session.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator})
    page.context.clear_cookies()
    enter_password(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("No passkey was used. Try again")).to_be_visible()
    expect(page).to_have_url(re.compile("/account/login/code/"))


def test_app_is_added_by_its_key_and_logs_in(page, alice: User):
    signed_in(page.context, alice, page.url_of_portal)
    page.goto("/account/factors/app/")
    assert page.locator("img.qr").evaluate("image => image.naturalWidth") > 100
    key = totp.key_from(page.locator("code.wrap").first.inner_text())
    page.get_by_label("Name").fill("phone")
    page.get_by_label("Code that the app shows").fill(code_of(key, steps=-1))
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add the app").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.context.clear_cookies()
    enter_password(page)
    page.get_by_label("Code").fill(code_of(key))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Your sessions")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "heading"),
    [("/staff/login/", "Overview"), ("/admin/login/?next=/admin/", "Site administration")],
)
def test_recovery_code_opens_the_staff_pages_and_the_admin(page, sam: User, path, heading):
    with_app(sam)
    codes = factors.new_recovery_codes(sam)
    page.goto(path)
    page.locator("[name=username]").fill("sam")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert factors.codes_left(sam) == 9
