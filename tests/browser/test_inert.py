"""Markup in whatever a stranger can write stays text, wherever staff come to see it."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from rest_framework_simplejwt.tokens import RefreshToken

from tests.browser.conftest import Enter
from tests.security.test_access import TABLE
from tests.support.bulk_sessions import logged
from tests.support.routes import Things
from tokens.jwt.signing import sign
from tokens.models import OutstandingToken, Session, SessionToken
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session

# Templates escape what they show on each database alike.
pytestmark = pytest.mark.once

ATTACK = "\"'><script>fired()</script><img src=x onerror=fired()>{{7*7}}"


@pytest.fixture
def hostile(portal_server, sam: User) -> Session:
    """Put markup into user name, user agent, client, reason, claim, name of a claim, and jti."""
    mallory = User.objects.create_user(ATTACK[:150], email="m@example.com", password="!")
    origin = Origin(ip="192.0.2.66", user_agent=ATTACK, client=ATTACK)
    session = open_session(user=mallory, origin=origin, **{ATTACK: ATTACK}).session
    other = open_session(user=mallory, origin=origin).session
    revoke_session(session=other, actor=mallory, reason=ATTACK)
    OutstandingToken.objects.filter(pk=other.current_id).update(jti=ATTACK)
    logged(mallory, [Session.objects.get(pk=other.pk)])
    assert SessionToken.objects.filter(session=other).exists()
    return session


@pytest.fixture
def page(enter: Enter, sam: User, hostile: Session) -> Page:
    page = enter(sam).page
    page.add_init_script("window.firings = 0; window.fired = () => window.firings++")
    return page


def unharmed(page: Page) -> bool:
    """Nothing ran, and nothing of it became an element."""
    made = page.locator("script:has-text('fired'), img[src=x]").count()
    return made == 0 and page.evaluate("window.firings") == 0 and ">49<" not in page.content()


def test_every_page_shows_hostile_markup_as_text(page: Page, hostile: Session, sam: User) -> None:
    assert hostile.user is not None
    things = Things(bob=hostile.user, sam=sam)
    things.named |= {"sid": hostile.pk, "token": hostile.current_id, "jti": hostile.current.jti}
    harmed = []
    for row in TABLE:
        served = row.method == "GET" and row.answers["superuser"] == "200"
        if served and row.address.startswith(("/staff/", "/admin/")):
            page.goto(things.spell(row.address, mine=hostile.pk))
            if not unharmed(page):
                harmed.append(row.address)
    assert harmed == []


def test_search_filter_and_toast_show_hostile_markup_as_text(page: Page, hostile: Session) -> None:
    page.goto("/staff/tokens/")
    page.get_by_role("main").get_by_role("searchbox").fill(ATTACK)
    page.wait_for_url("**q=**")
    expect(page.get_by_role("rowheader").first).to_contain_text("fired()")
    assert unharmed(page)
    page.reload()
    assert unharmed(page)
    page.goto(f"/staff/sessions/{hostile.pk}/")
    page.get_by_role("link", name="Revoke session…").click()
    page.get_by_role("radio", name="other").check()
    page.get_by_label("Details").fill(ATTACK)
    page.get_by_role("button", name="Revoke 1 session").click()
    expect(page.get_by_role("status")).to_contain_text("fired()")
    expect(page.locator("#main")).to_contain_text("fired()")
    assert unharmed(page)


def test_inspector_shows_pasted_markup_as_text(page: Page, sam: User) -> None:
    token = RefreshToken.for_user(sam)
    token[ATTACK] = {"nested": ATTACK}
    page.goto("/staff/inspect/")
    page.get_by_label("Token, log, diff or report").fill(sign(token))
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_role("region", name="Claims")).to_contain_text("fired()")
    assert unharmed(page)
    page.get_by_label("Token, log, diff or report").fill(ATTACK)
    page.get_by_role("button", name="Validate").click()
    assert unharmed(page)


def test_export_of_hostile_markup_opens_as_text(page: Page) -> None:
    page.goto("/staff/events/")
    for name in ("CSV", "JSON Lines"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Export as {name}").click()
        assert download.value.suggested_filename.endswith((".csv", ".jsonl"))
