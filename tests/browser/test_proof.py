"""A fresh proof of who acts, in Chromium: a password in the dialog, a passkey in each form."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import signed_in
from tests.browser.test_factors import page
from tests.support.users import PASSWORD
from tokens.models import Service, Session
from tokens.services import add_service
from tokens.sessions.issue import open_session
from tokens.validation.browser import PROVED_UNTIL
from tokens.web.session_store import SessionStore

__all__ = ["page"]  # with a virtual authenticator
pytestmark = pytest.mark.once
MANY = 26


@pytest.fixture
def desk(page: Page, sam: User, alice: User) -> Page:
    """Log Sam in, and give Alice many sessions."""
    for _ in range(MANY):
        open_session(user=alice)
    signed_in(page.context, sam, page.url_of_portal)  # type: ignore[attr-defined]
    return page


def forget_proof(desk: Page) -> None:
    """Let the login have been a while ago."""
    (key,) = [
        one["value"]
        for one in desk.context.cookies()
        if one["name"] == settings.SESSION_COOKIE_NAME
    ]
    session = SessionStore(key)
    del session[PROVED_UNTIL]
    session.save()


def add_passkey(desk: Page) -> None:
    desk.goto("/account/factors/passkey/")
    desk.get_by_label("Name").fill("laptop")
    desk.get_by_label("Your password").fill(PASSWORD)
    desk.get_by_role("button", name="Add the passkey").click()
    expect(desk.get_by_role("heading", name="Recovery codes")).to_be_visible()


def fill_review(desk: Page, alice: User) -> None:
    desk.goto(f"/staff/users/{alice.pk}/")
    desk.get_by_role("link", name="Revoke all").first.click()
    desk.get_by_label("lost device").check()
    desk.get_by_label(f"Type {MANY} to confirm").fill(str(MANY))


def live(user: User) -> int:
    return Session.objects.filter(user=user, revoked_at=None).count()


def test_dialog_asks_for_the_password_and_keeps_what_was_typed(desk: Page, alice: User, complaints):
    complaints.allow("422")
    forget_proof(desk)
    fill_review(desk, alice)
    dialog = desk.locator("#dialog")
    dialog.get_by_label("Details").fill("stolen bag")
    dialog.get_by_label("Your password").fill("wrong")
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("The password is wrong.")).to_be_visible()
    expect(dialog.get_by_label("Details")).to_have_value("stolen bag")
    expect(dialog.get_by_label("lost device")).to_be_checked()
    assert live(alice) == MANY
    expect(dialog.get_by_label("Your password")).to_be_focused()
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Revoke").click()
    expect(desk.get_by_text(f"Revoked {MANY} sessions").first).to_be_visible()
    assert live(alice) == 0


def test_passkey_proves_it_in_the_dialog(desk: Page, alice: User):
    add_passkey(desk)
    forget_proof(desk)
    fill_review(desk, alice)
    expect(desk.get_by_text("Leave the field empty to use a passkey.")).to_be_visible()
    desk.locator("#dialog").get_by_role("button", name="Revoke").click()
    expect(desk.get_by_text(f"Revoked {MANY} sessions").first).to_be_visible()
    assert live(alice) == 0


def test_passkey_proves_it_on_a_page(desk: Page, sam: User):
    service = add_service(name="billing", may_introspect=True, may_read_feed=False, actor=sam)
    add_passkey(desk)
    forget_proof(desk)
    desk.goto(f"/staff/services/{service.service.pk}/remove/")
    desk.get_by_role("button", name="Remove").click()
    expect(desk.get_by_text("Removed the service billing")).to_be_visible()
    assert not Service.objects.exists()


def test_passkey_proves_it_in_the_admin(desk: Page, alice: User):
    add_passkey(desk)
    forget_proof(desk)
    desk.goto(f"/admin/auth/user/{alice.pk}/revoke/")
    desk.get_by_label("Reason").fill("lost")
    desk.get_by_label("Number of sessions").fill(str(MANY))
    desk.get_by_role("button", name="Revoke").click()
    expect(desk.get_by_text(f"Revoked {MANY} sessions")).to_be_visible()
    assert live(alice) == 0


def test_lost_passkey_leaves_the_form_and_a_way_out(desk: Page, alice: User, complaints):
    complaints.allow("422")
    add_passkey(desk)
    session, authenticator = desk.authenticator  # type: ignore[attr-defined]
    session.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator})
    forget_proof(desk)
    fill_review(desk, alice)
    desk.locator("#dialog").get_by_role("button", name="Revoke").click()
    expect(desk.get_by_text("No passkey was used. Try again")).to_be_visible()
    assert live(alice) == MANY
    desk.locator("#dialog").get_by_label("recovery code").fill("wrong")
    desk.locator("#dialog").get_by_role("button", name="Revoke").click()
    expect(desk.get_by_text("That is not right, or it was used before.")).to_be_visible()
    assert live(alice) == MANY
