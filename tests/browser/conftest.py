"""Fixtures of signed-in people at a browser; `staff` runs in each of `WAYS`."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext

from tests.support.browser.chromium import PATIENCE
from tests.support.browser.person import WAYS, Person, Way

Enter = Callable[..., Person]


def signed_in(context: BrowserContext, user: User, url: str) -> None:
    """Log the user in without the login page, which has tests of its own."""
    client = Client()
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": url}])


@pytest.fixture
def enter(browser: Any, portal_server: Any, complaints: Any) -> Iterator[Enter]:
    """Open a browser for a person: ``enter(user, way)``. Without a user they are logged out.

    The test fails if Chromium complained about anything.
    """
    opened = []

    def come_in(user: User | None, way: Way = WAYS[0], **more: Any) -> Person:
        context = browser.new_context(
            base_url=portal_server.url, locale="en-GB", timezone_id="UTC", **way.context, **more
        )
        opened.append(context)
        context.set_default_timeout(PATIENCE)
        complaints.watch(context)
        if user is not None:
            signed_in(context, user, portal_server.url)
        return Person(context.new_page(), way)

    yield come_in
    for context in opened:
        context.close()
    assert complaints.left() == []


# The database does not change how a page is used: one way is enough on PostgreSQL.
MARKED = [WAYS[0], *(pytest.param(way, marks=pytest.mark.once) for way in WAYS[1:])]


def ways_with(*cases: tuple[str, ...]) -> list[Any]:
    """Return parameters of ``way`` and a case: all cases by mouse, each other way with one of them.

    The lists share their templates and scripts, so each way needs to try one list only.
    """
    by_mouse = [(WAYS[0], case, ()) for case in cases]
    others = [
        (way, cases[number % len(cases)], pytest.mark.once) for number, way in enumerate(WAYS[1:])
    ]
    return [
        pytest.param(way, *case, marks=marks, id=f"{way.name}-{case[0]}")
        for way, case, marks in (*by_mouse, *others)
    ]


@pytest.fixture(params=MARKED, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def staff(enter: Enter, sam: User, way: Way) -> Person:
    return enter(sam, way)
