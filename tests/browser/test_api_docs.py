from playwright.sync_api import Page, expect


def test_the_api_page_reads_without_complaint(page: Page) -> None:
    page.goto("/api/docs")
    expect(page.get_by_role("heading", name="POST /api/login")).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
