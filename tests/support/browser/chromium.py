"""Launch Chromium, sign a person in, and collect what Chromium complains about."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.users import PASSWORD

# Milliseconds to wait for what a page is to show, on a busy machine too.
PATIENCE = 30_000
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-auto-reload",  # a failed page is not reloaded automatically
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# A request that a newer one took the place of: htmx says so on the console, and it is no error.
REPLACED = re.compile(r"htmx:(sendAbort|afterRequest), ")


class Complaints:
    """Collect console errors, script errors and requests to other hosts.

    Violations of the content security policy are console errors. A test that provokes an error on
    purpose, such as a refused request, calls `allow` first.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.seen: list[str] = []
        self.allowed = [REPLACED]

    def allow(self, pattern: str) -> None:
        self.allowed.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        context.on(
            "console",
            lambda message: (
                self.seen.append(f"console: {message.text} ({message.location['url']})")
                if message.type == "error"
                else None
            ),
        )
        context.on("weberror", lambda error: self.seen.append(f"script: {error.error}"))
        context.on("request", lambda request: self._leaving(request.url))

    def _leaving(self, url: str) -> None:
        named = self.base_url.replace("127.0.0.1", "localhost")
        if not url.startswith((self.base_url, named, "data:", "blob:", "about:")):
            self.seen.append(f"left the portal: {url}")

    def left(self) -> list[str]:
        return [line for line in self.seen if not any(p.search(line) for p in self.allowed)]


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


def sign_in(page: Page, user: User, password: str = PASSWORD) -> None:
    """Through the portal's own login page, as a person would."""
    page.goto(reverse(settings.LOGIN_URL))
    page.fill("[name=username]", user.get_username())
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "login" not in url)
