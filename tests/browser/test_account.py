"""A person ends their own sessions in a real browser, by keyboard, with and without scripts."""

import pytest

from tests.support.people import PASSWORD, make_user
from tokens.issuing import open_session
from tokens.models import Session
from tokens.origin import Origin


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
    page.wait_for_function("document.activeElement.textContent.trim() === 'Cancel'")
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
