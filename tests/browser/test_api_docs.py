import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.axe import contrast_violations, violations

# What the page looks like does not depend on the database.
pytestmark = pytest.mark.once


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("light", 360), ("dark", 1280)])
def test_api_page_has_no_axe_violation_and_fits_its_width(
    page: Page, theme: str, width: int
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/api/docs")
    expect(page.get_by_role("heading", name="POST /api/login")).to_be_visible()
    page.locator("#login summary").first.click()
    expect(page.locator("#login")).to_contain_text("This field is required.")
    look = violations if theme == "light" else contrast_violations
    assert look(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_index_of_the_api_page_leads_to_the_call(page: Page) -> None:
    page.goto("/api/docs")
    page.get_by_role("link", name="GET /api/staff/tokens", exact=True).click()
    expect(page.locator("#staff_tokens")).to_be_in_viewport()
