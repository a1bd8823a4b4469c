"""Every staff page, light and dark, wide and narrow: nothing for axe to complain of, nothing on
the console (the `page` fixture watches), and nothing wider than the screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.support.browser import sign_in
from tokens.issuing import open_session
from tokens.origin import Origin

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 860}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {[node['html'][:120] for node in v['nodes']]}" for v in found]


def addresses(user: User) -> list[str]:
    pair = open_session(user=user, origin=Origin(ip="10.0.4.7", user_agent=AGENT))
    token = pair.session.current
    assert token is not None
    return [
        "/staff/",
        "/staff/tokens/",
        "/staff/tokens/?q=nobody-like-this",
        f"/staff/tokens/{token.jti}/",
        "/staff/sessions/",
        f"/staff/sessions/{pair.session.pk}/",
        "/staff/users/",
        f"/staff/users/{user.pk}/",
        f"/staff/revoke/?user={user.pk}",
        "/staff/inspect/",
        "/staff/events/",
        "/staff/tokens/no-such-token/",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    page: Page, complaints, sam: User, alice: User, theme: str
) -> None:
    complaints.allow("404")  # the page that is not there is among them
    paths = addresses(alice)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto("/staff/login/")
    wrong = [f"login: {line}" for line in violations(page)]
    sign_in(page, sam)
    for path in paths:
        for size in (DESK, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.goto(path)
            wrong += [f"{path}: {line}" for line in violations(page)]
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > size["width"]:
                wrong.append(f"{path}: {width} px wide at {size['width']}")
    assert wrong == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_review_in_its_dialog_is_accessible(
    page: Page, sam: User, alice: User, theme: str
) -> None:
    token = addresses(alice)[3]
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    sign_in(page, sam)
    page.goto(token)
    page.get_by_role("link", name="Revoke").first.click()
    page.locator("dialog#dialog[open]").wait_for()
    wrong = violations(page)
    focused = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Escape")
    back = page.evaluate("document.activeElement.textContent.trim()")
    assert wrong == []
    assert focused == "Cancel"
    assert back.startswith("Revoke")
