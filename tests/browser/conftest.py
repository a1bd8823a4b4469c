"""Somebody at a browser, signed in: `staff` in each of the ways that people work in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext

from tests.support.person import WAYS, Person, Way

Enter = Callable[..., Person]


def signed_in(context: BrowserContext, user: User, url: str) -> None:
    """As the login page leaves it; that page has tests of its own."""
    client = Client()
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": url}])


@pytest.fixture
def enter(browser: Any, portal_server: Any, complaints: Any) -> Iterator[Enter]:
    """``enter(user, way)``: that person, or somebody who has yet to log in, at a browser of their
    own. The test fails when Chromium complained about anything."""
    opened = []

    def come_in(user: User | None, way: Way = WAYS[0], **more: Any) -> Person:
        context = browser.new_context(
            base_url=portal_server.url, locale="en-GB", timezone_id="UTC", **way.context, **more
        )
        opened.append(context)
        context.set_default_timeout(15_000)
        complaints.watch(context)
        if user is not None:
            signed_in(context, user, portal_server.url)
        return Person(context.new_page(), way)

    yield come_in
    for context in opened:
        context.close()
    assert complaints.left() == []


# How somebody works a page is the browser's business: beside the other database one way is enough.
MARKED = [WAYS[0], *(pytest.param(way, marks=pytest.mark.sqlite) for way in WAYS[1:])]


@pytest.fixture(params=MARKED, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def staff(enter: Enter, sam: User, way: Way) -> Person:
    return enter(sam, way)
