"""A person ends their own sessions in a real browser, by keyboard, with and without scripts."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.browser import sign_in
from tests.support.people import PASSWORD, make_user
from tokens.issuing import open_session
from tokens.models import Session
from tokens.origin import Origin

WIDTHS = (1280, 360)


@pytest.fixture
def alice(portal_server):
    return make_user("alice")


def log_in(page):
    page.goto("/account/login/")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/account/sessions/")


def sessions_of(user, page):
    agent = page.evaluate("navigator.userAgent")
    here = open_session(user=user, origin=Origin(ip="127.0.0.1", user_agent=agent)).session
    away = open_session(user=user, origin=Origin(ip="192.0.2.7", user_agent="phone/1.0")).session
    return here, away


def ended(session):
    return Session.objects.get(pk=session.pk).revoked_at is not None


def test_ending_one_by_keyboard(page, alice):
    here, away = sessions_of(alice, page)
    log_in(page)
    page.locator("tr", has_text="192.0.2.7").get_by_role("link", name="End").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/end/")
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.get_by_role("button", name="End session").focus()
    page.keyboard.press("Enter")
    page.get_by_text("The session is ended.").wait_for()
    assert (ended(here), ended(away)) == (False, True)


def test_everywhere_else_without_scripts(browser, portal_server, alice, complaints):
    context = browser.new_context(base_url=portal_server.url, java_script_enabled=False)
    complaints.watch(context)
    page = context.new_page()
    try:
        probe = browser.new_page()
        here, away = sessions_of(alice, probe)
        probe.close()
        log_in(page)
        page.get_by_role("link", name="Log out everywhere else").click()
        page.get_by_role("button", name="Log out everywhere else").click()
        page.get_by_text("1 session is ended.").wait_for()
    finally:
        context.close()
    assert (ended(here), ended(away)) == (False, True)
    assert complaints.left() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_own_pages_are_accessible_and_fit(page, alice, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    here, _away = sessions_of(alice, page)
    page.goto("/account/login/")
    look_at(page)
    log_in(page)
    end = f"/account/sessions/{here.pk}/end/"
    for url in ("/account/sessions/", "/account/sessions/end/", end):
        page.goto(url)
        look_at(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_staff_pages_are_accessible_and_fit(page, alice, width, scheme):
    sam = make_user("sam", is_staff=True, is_superuser=True)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    pair = open_session(user=alice, origin=Origin(ip="192.0.2.7", user_agent="phone/1.0"))
    sign_in(page, sam)
    for url in ("/staff/", "/staff/events/", "/staff/events/?kind=purged", "/staff/inspect/"):
        page.goto(url)
        page.evaluate("for (const d of document.querySelectorAll('main details')) d.open = true")
        look_at(page)
    for token in (pair.access, "hello"):
        page.fill("[name=token]", token)
        page.get_by_role("button", name="Inspect token").click()
        page.get_by_role("heading", name="Result").wait_for()
        look_at(page)
        assert pair.access not in page.content()
        assert page.input_value("[name=token]") == ""


def test_the_trail_filters_as_one_chooses(page, alice):
    sam = make_user("sam", is_staff=True, is_superuser=True)
    open_session(user=alice)
    sign_in(page, sam)
    page.goto("/staff/events/")
    page.select_option("[name=kind]", "purged")
    page.get_by_text("No event matches").wait_for()
    page.wait_for_url("**kind=purged**")
    page.select_option("[name=kind]", "login")
    page.locator("#events tbody tr").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    assert "login" in download.value.path().read_text()


def look_at(page):
    """No violation of WCAG 2.2 AA that axe knows of, and nothing to scroll sideways."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{page.url} is {wide} px too wide"
