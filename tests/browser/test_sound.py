"""Check every page with axe, for complaints of Chromium, and for its width on a phone.

Pages are light and dark, wide and narrow, with no rows and with 500, and with each dialog open.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Enter
from tests.browser.test_proof import forget_proof
from tests.security.test_access import TABLE
from tests.support.browser.axe import contrast_violations, violations
from tests.support.browser.network import away
from tests.support.browser.person import Person
from tests.support.bulk_sessions import hold, logged
from tests.support.routes import Things
from tests.support.users import make_staff
from tokens.models import Service, Session
from tokens.revocation import revoke_session
from tokens.services import add_service
from tokens.sessions.issue import open_session

# What a page looks like does not depend on the database.
pytestmark = pytest.mark.once

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 860}
LISTS = (
    "/staff/", "/staff/tokens/", "/staff/sessions/", "/staff/users/", "/staff/events/",
    "/staff/services/", "/account/sessions/", "/account/events/",
    "/account/password/",
    "/admin/token_blacklist/outstandingtoken/",
    "/admin/tokens/session/", "/admin/tokens/event/", "/admin/tokens/cutoff/",
    "/admin/tokens/service/",
)  # fmt: skip
# These are no pages of the app: documents for programs, and pages of Django's admin. The API's page
# has tests of its own.
NOT_OURS = (
    "/api/docs",
    "/api/restricted", "/api/sessions", "/api/staff", "/api/schema", "/.well-known", "/healthz",
    "/readyz", "/metrics", "/admin/auth/group", "/admin/auth/user/add", "/admin/auth/user/{user}/p",
    "/admin/auth/user/{user}/d", "/admin/password", "/admin/jsi18n", "/admin/login",
)  # fmt: skip
# Inside a page of Django's admin, only these elements belong to the app.
OURS_IN = {".field-live_sessions": "/admin/auth/user/", "#content": "/admin/"}
OPENED = "for (const it of document.querySelectorAll('td details, .behind')) it.open = true"
ERRORS = ("400.html", "403.html", "404.html", "tokens/429.html", "500.html", "tokens/503.html")


class Look:
    """Collect what is wrong with the pages, each by its name."""

    def __init__(self, page: Page, complaints: Any) -> None:
        self.page = page
        self.complaints = complaints
        self.wrong: list[str] = []

    def at(self, name: str, *, wide: bool = True) -> None:
        """Check the current page in light, in dark and on a phone."""
        self.wrong += [f"{name}: {line}" for line in self.complaints.left()]
        self._axe(name, violations)
        self.page.emulate_media(color_scheme="dark")
        if "/admin/" in self.page.url:
            self.page.wait_for_timeout(250)  # its colours fade over
        self._axe(f"{name}, dark", contrast_violations)
        self.page.emulate_media(color_scheme="light")
        if wide:
            self.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            width = self.page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                self.wrong.append(f"{name}: {width} px wide on a phone")
            self.page.set_viewport_size(DESK)  # type: ignore[arg-type]
        # axe styles the page while it looks, which the policy refuses: the page is not at fault.
        self.complaints.seen.clear()

    def _holds(self, part: str, of: str) -> bool:
        return of in self.page.url and self.page.locator(part).count() > 0

    def _axe(self, name: str, find: Callable[..., dict[str, list[str]]]) -> None:
        # The list of users and its review have no such field, and are looked at whole.
        within = next((part for part, of in OURS_IN.items() if self._holds(part, of)), None)
        self.wrong += [
            f"{name}: {rule}: {[html[:100] for html in nodes[:3]]}"
            for rule, nodes in find(self.page, within=within).items()
        ]


@pytest.fixture
def look(enter: Enter, sam: User, complaints: Any) -> Look:
    return Look(enter(sam).page, complaints)


def pages(things: Things, mine: Any) -> Iterator[str]:
    for row in TABLE:
        ours = row.method == "GET" and not row.address.startswith(NOT_OURS)
        ours = ours and not row.address.endswith("/history/")
        if ours and row.answers["superuser"] == "200":
            yield things.spell(row.address, mine=mine)


def test_empty_lists_have_no_axe_violation(look: Look) -> None:
    for path in LISTS:
        look.page.goto(path)
        look.at(f"{path} (empty)")
    assert not look.wrong, "\n".join(look.wrong)


@pytest.mark.slow
@pytest.mark.parametrize("face", ["staff", "admin", "others"])
def test_pages_with_500_rows_have_no_axe_violation(
    look: Look, alice: User, bob: User, sam: User, face: str
) -> None:
    for person in (alice, sam):
        logged(person, hold(person, 500))
    things = Things(bob=bob, sam=sam)
    mine = Session.objects.filter(user=sam)[0].pk
    for path in pages(things, mine):
        first = path.split("/")[1]
        if (first if first in ("staff", "admin") else "others") != face:
            continue
        look.page.goto(path)
        look.page.evaluate(OPENED)
        look.at(path)
    assert not look.wrong, "\n".join(look.wrong)


@pytest.mark.slow
def test_open_dialogs_and_menus_have_no_axe_violation(look: Look, alice: User) -> None:
    page = look.page
    for _ in range(30):
        open_session(user=alice)

    def shown(path: str, name: str, *, role: str = "link", of: str = "dialog") -> None:
        page.goto(path)
        page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        expect(page.get_by_role(of)).to_be_visible()  # type: ignore[arg-type]
        look.at(f"{path}: {name}")

    session = Session.objects.all()[0]
    assert session.current is not None
    shown(f"/staff/users/{alice.pk}/", "Revoke all tokens…")
    shown(f"/staff/tokens/{session.current.jti}/", "Revoke token…")
    shown(f"/staff/sessions/{session.pk}/", "Revoke session…")
    shown("/staff/tokens/?q=alice", "Revoke all that match…")
    shown("/staff/sessions/?q=nobody-like-this", "Log everyone out…")
    expect(page.get_by_label("Type 30 to confirm")).to_be_visible()
    page.get_by_role("link", name="Choose another time…").click()
    expect(page.get_by_label("Opened before")).to_be_visible()
    look.at("everybody's time")
    page.goto("/staff/tokens/")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Revoke selected…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look.at("the review of the selected")
    page.goto(f"/staff/users/{alice.pk}/")
    page.get_by_role("link", name="Revoke all tokens…").click()
    page.get_by_role("radio", name="other").check()
    page.get_by_label("Type 30 to confirm").fill("7")
    look.complaints.allow("422")
    page.get_by_role("button", name="Revoke 30 sessions").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    look.at("the review, refused")
    page.goto("/staff/tokens/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    look.at("the keys")
    for menu in ("More filters", "sam"):
        page.goto("/staff/tokens/")
        page.get_by_text(menu, exact=True).click()
        look.at(f"the menu {menu}")
    assert not look.wrong, "\n".join(look.wrong)


@pytest.mark.slow
def test_pages_of_a_long_revocation_have_no_axe_violation(
    look: Look, alice: User, bob: User, sam
) -> None:
    hold(alice, 500)
    job = Things(bob=bob, sam=sam).named["job"]
    look.complaints.allow(r"net::ERR_|htmx:sendError")
    polls = re.compile(r"/staff/revoke/\d+/$")
    look.page.route(polls, away)
    look.page.goto(f"/staff/revoke/{job}/")
    expect(look.page.get_by_role("status")).to_contain_text("Repeating it is safe")
    look.at("a job under way")
    look.page.unroute(polls)
    # It is asked for again every eight seconds.
    expect(look.page.get_by_role("heading", name="Finished")).to_be_visible(timeout=30_000)
    look.at("a job that is finished")
    assert not look.wrong, "\n".join(look.wrong)


def test_reach_of_a_revocation_has_no_axe_violation(look: Look, alice: User) -> None:
    session = open_session(user=alice).session
    for name in ("billing", "search"):
        add_service(name=name, may_introspect=False, may_read_feed=True)
    confirmed_at = timezone.now() + timedelta(minutes=1)
    Service.objects.filter(name="billing").update(confirmed_at=confirmed_at)
    revoke_session(session=session, actor=None, reason="lost device")
    look.page.goto(f"/staff/sessions/{session.pk}/")
    expect(look.page.get_by_text("search has not confirmed anything yet")).to_be_visible()
    look.at("reach")
    assert not look.wrong, "\n".join(look.wrong)


def test_acts_that_ask_for_more_have_no_axe_violation(
    look: Look, alice: User, bob: User, sam
) -> None:
    things = Things(bob=bob, sam=make_staff("ann", "revoke_token")).named
    forget_proof(look.page)
    for address in (
        f"/staff/proposals/{things['proposal']}/",
        f"/staff/services/{things['service']}/remove/",
        f"/staff/users/{bob.pk}/reset-factors/",
        "/admin/tokens/cutoff/add/",
    ):
        look.page.goto(address)
        expect(look.page.get_by_label("Your password")).to_be_visible()
        look.at(address)
    assert not look.wrong, "\n".join(look.wrong)


def test_inspector_results_have_no_axe_violation(look: Look, alice: User) -> None:
    pair = open_session(user=alice)
    for text in (pair.access, pair.refresh[:-4] + "AAAA", "hello"):
        look.page.goto("/staff/inspect/")
        look.page.get_by_label("Token, log, diff or report").fill(text)
        look.page.get_by_role("button", name="Validate").click()
        expect(look.page.get_by_role("heading", name="Result")).to_be_visible()
        look.at(f"inspected: {text[:5]}")
    assert not look.wrong, "\n".join(look.wrong)


def test_login_and_error_pages_have_no_axe_violation(
    page: Page, complaints: Any, portal_server: Any, sam: User
) -> None:
    look = Look(page, complaints)
    complaints.allow(r"status of (4\d\d|503|500)")
    for path in ("/staff/login/", "/account/login/", "/admin/login/", "/nowhere"):
        page.goto(path)
        look.at(path)
    for path in ("/staff/login/", "/account/login/"):
        page.goto(path)
        page.get_by_label("User name").fill("sam")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        look.at(f"{path} (refused)")
    for name in ERRORS:
        body = render_to_string(name)
        page.unroute_all()
        page.route("**/broken", partial(Route.fulfill, body=body, content_type="text/html"))
        page.goto("/broken")
        look.at(name)
    assert not look.wrong, "\n".join(look.wrong)


def test_forbidden_page_has_no_axe_violation(enter: Enter, viewer: User, complaints: Any) -> None:
    person: Person = enter(viewer)
    complaints.allow("403")
    look = Look(person.page, complaints)
    person.page.goto("/staff/inspect/")
    expect(person.page.get_by_role("heading", level=1)).to_be_visible()
    look.at("403")
    assert not look.wrong, "\n".join(look.wrong)
