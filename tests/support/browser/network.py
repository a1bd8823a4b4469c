"""Slow a page's network down, or lose what a click sends."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Page, Request, Route

# Milliseconds there and back; bytes a second.
SLOW = {"offline": False, "latency": 250, "downloadThroughput": 300_000, "uploadThroughput": 50_000}
# What Chromium and htmx say on the console of a request that was lost.
CUT = r"net::ERR_|htmx:sendError|Failed to load resource"
# What Chromium shows in place of a page that did not come.
NO_PAGE = "chrome-error://chromewebdata/"


def slow_down(page: Page, latency: int = SLOW["latency"]) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {**SLOW, "latency": latency})


@contextmanager
def losing(page: Page, method: str, path: str, *, answer: bool = False) -> Iterator[None]:
    """Lose the requests of the block to ``path``, or with ``answer`` the responses to them.

    The block ends when a request was lost. Other requests pass.
    """

    def ours(request: Request) -> bool:
        return request.method == method and urlsplit(request.url).path == path

    def lose(route: Route) -> None:
        if not ours(route.request):
            route.fallback()
            return
        if answer:
            _deliver(page, route.request)
        route.abort("connectionreset")

    page.route("**/*", lose)
    try:
        with page.expect_event("requestfailed", ours):
            yield
    finally:
        page.unroute("**/*", lose)


def _deliver(page: Page, request: Request) -> None:
    """Send the request as the browser would, and discard the response with its cookies."""
    cookies = page.context.cookies(request.url)
    requests.request(
        request.method,
        request.url,
        headers=request.headers,
        cookies={cookie["name"]: cookie["value"] for cookie in cookies},
        data=request.post_data_buffer,
        allow_redirects=False,
        timeout=30,
    )


def away(route: Route) -> None:
    """For `Page.route`: what would change anything never arrives."""
    if route.request.method == "POST":
        route.abort("connectionreset")
    else:
        route.fallback()
