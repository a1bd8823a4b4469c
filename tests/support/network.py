"""A network that is slow, and one that loses what a click sends."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Request, Route

# Milliseconds there and back; bytes a second.
SLOW = {"offline": False, "latency": 250, "downloadThroughput": 300_000, "uploadThroughput": 50_000}
# What Chromium and htmx say on the console of a request that was lost.
CUT = r"net::ERR_|htmx:sendError|Failed to load resource|Failed to fetch"


def slow_down(page: Page, latency: int = SLOW["latency"]) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {**SLOW, "latency": latency})


@contextmanager
def losing(page: Page, *, answer: bool = False, most: int = 1) -> Iterator[list[Request]]:
    """The next request is lost on its way, or, with ``answer``, what the portal said to it. The
    block is left when it is."""
    lost: list[Request] = []

    def lose(route: Route) -> None:
        lost.append(route.request)
        if answer:
            route.fetch()
        route.abort("connectionreset")

    page.route("**/*", lose, times=most)
    yield lost
    for _ in range(400):
        if lost:
            return
        page.wait_for_timeout(25)
    raise AssertionError("nothing was sent, so nothing was lost")


def away(route: Route) -> None:
    """For `Page.route`: what would change anything never arrives."""
    if route.request.method == "POST":
        route.abort("connectionreset")
    else:
        route.fallback()
