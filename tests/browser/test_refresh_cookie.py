"""The cookie of the refresh token in Chromium: out of reach of scripts and of other sites."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from playwright.sync_api import Page, Route

from tests.support.browser.chromium import PATIENCE
from tests.support.users import PASSWORD
from tokens.models import Event, Kind, Session

pytestmark = pytest.mark.once
YOUNG = timedelta(minutes=1)
SEND = """async ([base, path, body]) => {
    const headers = { "Content-Type": "application/json", "X-Token-Transport": "cookie" };
    try {
        const answer = await fetch(base + path, {
            method: "POST", headers, credentials: "include", body: JSON.stringify(body),
        });
        return [answer.status, await answer.json()];
    } catch (error) {
        return [0, String(error)];
    }
}"""
FORM = """<form method="post" action="{base}/api/{path}" enctype="text/plain">
<input name='{{"refresh": "' value='x"}}'></form>"""


def answer_with(page: str, route: Route) -> None:
    route.fulfill(body=page, content_type="text/html")


@pytest.fixture
def site(browser, portal_server, alice: User):
    """Return a function that opens a page of the portal, or of another site, in one browser."""
    context = browser.new_context(base_url=portal_server.url)
    context.set_default_timeout(PATIENCE)
    for path in ("login", "refresh", "logout"):
        form = FORM.format(base=portal_server.url, path=path)
        context.route(f"http://evil.test/{path}", partial(answer_with, form))

    def opened(address: str) -> Page:
        page = context.new_page()
        page.goto(address)
        return page

    yield opened
    context.close()


def send(page: Page, base: str, path: str, **body: str):
    return page.evaluate(SEND, [base, f"/api/{path}", body])


@pytest.fixture
def own(site) -> Page:
    page = site("/api/docs")
    status, body = send(page, "", "login", username="alice", password=PASSWORD)
    assert (status, set(body)) == (200, {"access"})
    return page


def test_scripts_can_not_read_the_cookie(own):
    assert own.evaluate("document.cookie").find("tokens_refresh") == -1
    assert "tokens_refresh" in [cookie["name"] for cookie in own.context.cookies()]
    assert send(own, "", "refresh")[0] == 200


def test_another_site_can_not_use_it(own, site, portal_server):
    before = Session.objects.get().current_id
    for path in ("refresh", "logout", "login"):
        foreign = site(f"http://evil.test/{path}")
        body = {"username": "alice", "password": PASSWORD} if path == "login" else {}
        assert send(foreign, portal_server.url, path, **body)[0] == 0
        foreign.evaluate("document.forms[0].submit()")
        foreign.wait_for_url(f"{portal_server.url}/**")
    session = Session.objects.get()
    assert (session.current_id, session.revoked_at) == (before, None)
    assert send(own, "", "refresh")[0] == 200


def test_ten_tabs_that_refresh_at_once_stay_logged_in(own, site):
    tabs = [own, *(site("/api/docs") for _ in range(9))]
    for rotations in range(1, 4):
        # Otherwise the token of the login or of the last round would still be young.
        Session.objects.update(
            created_at=F("created_at") - YOUNG, rotated_at=F("rotated_at") - YOUNG
        )
        for tab in tabs:
            tab.evaluate(
                """() => { window.answered = fetch("/api/refresh", {
                    method: "POST", headers: { "X-Token-Transport": "cookie" },
                }).then((answer) => answer.status); }"""
            )
        assert [tab.evaluate("window.answered") for tab in tabs] == [200] * 10
        assert Session.objects.get().rotations == rotations
    assert not Event.objects.filter(kind=Kind.REUSE).exists()
    assert Session.objects.get().revoked_at is None


def test_logout_deletes_the_cookie(own):
    assert send(own, "", "logout") == [200, {}]
    assert "tokens_refresh" not in [cookie["name"] for cookie in own.context.cookies()]
    assert send(own, "", "refresh")[0] == 401
