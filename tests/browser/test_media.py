"""Show pages on paper and in forced colours without losing information.

Nothing is conveyed only by a colour or by something that works only on a screen.
"""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Enter
from tests.support.bulk_sessions import hold, logged
from tests.support.routes import Things
from tokens.models import Session
from tokens.revocation import revoke_session

# What a page looks like does not depend on the database.
pytestmark = pytest.mark.once

# A4 without its margins, at 96 dots an inch.
PAPER = {"width": 718, "height": 1046}
PAGES = (
    "/staff/", "/staff/tokens/", "/staff/tokens/{jti}/", "/staff/sessions/",
    "/staff/sessions/{sid}/", "/staff/users/", "/staff/users/{user}/", "/staff/events/",
    "/staff/inspect/", "/staff/revoke/?user={user}", "/staff/revoke/{job}/", "/account/sessions/",
)  # fmt: skip


@pytest.fixture
def page(enter: Enter, sam: User) -> Page:
    return enter(sam).page


@pytest.fixture
def things(portal_server, alice: User, bob: User, sam: User) -> Things:
    """Bob's; of Alice's three sessions one is ended; Sam has two."""
    held = hold(alice, 3)
    logged(alice, held)
    revoke_session(session=held[0], actor=sam, reason="lost device")
    hold(sam, 2)
    return Things(bob=bob, sam=sam)


def rows(page: Page) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader"))


# --- Paper.


def on_paper(page: Page, path: str) -> None:
    page.goto(path)
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)


@pytest.mark.parametrize("path", PAGES)
def test_printed_page_fits_the_paper_and_shows_no_controls(
    page: Page, things: Things, path
) -> None:
    on_paper(page, things.spell(path))
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PAPER["width"], f"{width} px wide"
    cut = page.locator("table, dl, ol").evaluate_all(
        """all => all.filter(it => it.offsetParent && it.getBoundingClientRect().right > innerWidth)
                  .map(it => it.outerHTML.slice(0, 80))"""
    )
    assert cut == []
    for role in ("navigation", "button", "checkbox", "searchbox"):
        assert page.get_by_role(role).filter(visible=True).all_inner_texts() == []
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_printed_list_has_its_head_and_whole_ids(page: Page, things) -> None:
    on_paper(page, "/staff/tokens/")
    for name in ("User", "Token", "Status", "Ended"):
        expect(page.get_by_role("columnheader", name=name)).to_be_visible()
    expect(rows(page)).to_have_count(7)
    session = Session.objects.exclude(revoked_at=None)[0]
    row = rows(page).filter(has=page.locator(f"[title='{session.current.jti}']"))
    expect(row).to_contain_text("revoked")
    expect(row).to_contain_text("lost device")
    shown = row.locator("a.id").evaluate("it => getComputedStyle(it, '::after').content")
    assert session.current.jti in shown
    exact = row.locator("time").first.evaluate("it => getComputedStyle(it, '::after').content")
    assert str(session.created_at.year) in exact


def test_printed_token_page_shows_claims_and_validation(page: Page, things: Things) -> None:
    on_paper(page, things.spell("/staff/tokens/{jti}/"))
    claims = page.get_by_role("region", name="Claims")
    for name in ("jti", "user_id", "sid", "exp"):
        expect(claims.get_by_text(name, exact=True).first).to_be_visible()
    expect(claims.get_by_text(things.named["jti"])).to_be_visible()
    expect(page.get_by_role("region", name="Validation")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="logged in")).to_be_visible()


# --- Forced colours.


FOCUS = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const other = style.outlineColor !== getComputedStyle(document.body).backgroundColor;
  return at === document.body || ring && other ? "" : at.outerHTML.slice(0, 100);
}"""
# What is pressed or written in has an edge, for its ground has no colour of its own any more.
EDGES = """all => all.filter(it => {
  const style = getComputedStyle(it);
  return style.borderTopStyle === "none" || parseFloat(style.borderTopWidth) === 0
      || style.borderTopColor === style.backgroundColor;
}).map(it => it.outerHTML.slice(0, 100))"""


def forced(page: Page, path: str) -> None:
    page.emulate_media(forced_colors="active")
    page.goto(path)
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")


@pytest.mark.parametrize("path", PAGES)
def test_focus_and_edges_are_visible_in_forced_colours(page: Page, things: Things, path) -> None:
    forced(page, things.spell(path))
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        unseen += [it for it in [page.evaluate(FOCUS)] if it]
    assert unseen == []
    assert page.locator(".input, .btn-end, .btn-danger, .btn-main").evaluate_all(EDGES) == []


def test_status_and_current_page_are_visible_in_forced_colours(page: Page, things) -> None:
    forced(page, "/staff/sessions/")
    for status in ("active", "revoked"):
        expect(rows(page).get_by_text(status, exact=True).first).to_be_visible()
    here = page.get_by_role("link", name="Sessions", exact=True)
    expect(here).to_have_attribute("aria-current", "page")
    expect(here).to_have_css("text-decoration-line", "underline")
    box = rows(page).get_by_role("checkbox").first
    box.check()
    row = rows(page).filter(has=page.locator("input:checked"))
    expect(row).to_have_css("outline-style", "solid")


def test_charts_and_timeline_keep_their_shapes_in_forced_colours(
    page: Page, things: Things
) -> None:
    forced(page, "/staff/")
    bar = page.locator(".plot rect:not(.slot)").first
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert bar.evaluate("it => getComputedStyle(it).stroke") != ground
    forced(page, f"/staff/sessions/{Session.objects.exclude(revoked_at=None)[0].pk}/")
    mark = page.locator(".timeline .is-end").first
    shape = mark.evaluate("it => getComputedStyle(it, '::before').backgroundColor")
    assert shape != page.evaluate("getComputedStyle(document.body).backgroundColor")
