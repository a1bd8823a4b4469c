import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_api_page_reads_without_complaint(page: Page, theme: str, width: int) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/api/docs")
    expect(page.get_by_role("heading", name="POST /api/login")).to_be_visible()
    page.locator("#login summary").first.click()
    expect(page.locator("#login")).to_contain_text("This field is required.")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_its_index_leads_to_the_call(page: Page) -> None:
    page.goto("/api/docs")
    page.get_by_role("link", name="GET /api/staff/tokens", exact=True).click()
    expect(page.locator("#staff_tokens")).to_be_in_viewport()
