"""Find a person's token, read it and revoke it in a real Chromium.

The next calls with it are refused.
"""

import pytest
import requests
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.support.browser.chromium import sign_in
from tests.support.tokens import jti
from tests.support.users import PASSWORD
from tokens.models import Event, Kind


def call(server, path, **body):
    return requests.post(f"{server.url}/api/{path}", json=body, timeout=30)


def restricted(server, access):
    headers = {"Authorization": f"Bearer {access}"}
    return requests.get(f"{server.url}/api/restricted", headers=headers, timeout=30)


@pytest.fixture
def pair(portal_server, alice: User) -> dict[str, str]:
    answer = call(portal_server, "login", username="alice", password=PASSWORD)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(server, pair) -> None:
    assert restricted(server, pair["access"]).status_code == 401
    assert call(server, "refresh", refresh=pair["refresh"]).status_code == 401


def test_staff_revoke_a_token_found_by_user_name(portal_server, page: Page, sam, pair) -> None:
    assert restricted(portal_server, pair["access"]).status_code == 200
    sign_in(page, sam)
    page.goto("/staff/tokens/")
    page.keyboard.press("/")
    page.keyboard.type(jti(pair["refresh"])[:20])
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff/search/?q=**")
    page.get_by_role("main").locator("table a.id").first.click()
    expect(page.locator("#claims")).to_be_visible()
    expect(page.locator("body")).to_contain_text("user_id")
    page.get_by_role("link", name="Revoke token…").click()
    expect(page.locator("#dialog[open]")).to_be_visible()
    expect(page.get_by_role("heading", name="Confirm revocation")).to_be_focused()
    page.get_by_label("lost device").check()
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(page.locator("#notices")).to_contain_text("Revoked 1 session of 1 person")
    refused(portal_server, pair)
    event = Event.objects.get(kind=Kind.REVOKE_TOKEN)
    assert (event.actor, event.subject_name, event.reason) == (sam, "alice", "lost device")


def test_staff_revoke_all_tokens_of_a_user_without_javascript(
    browser, portal_server, sam, pair, alice
) -> None:
    context = browser.new_context(base_url=portal_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, sam)
    page.goto(f"/staff/users/{alice.pk}/")
    page.get_by_role("link", name="Revoke all tokens…").click()
    page.get_by_label("left the company").check()
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(page.locator("#notices")).to_contain_text("Revoked 1 session of 1 person")
    context.close()
    refused(portal_server, pair)
    event = Event.objects.get(kind=Kind.REVOKE_USER)
    assert (event.actor, event.reason) == (sam, "left the company")
