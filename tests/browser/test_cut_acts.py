"""Lose the network while a form is sent: before it arrives, and before the response is back.

Chromium shows an error page. Nothing is half done. Sending the form again tells the person the
state, and the act happened once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.support.browser.network import CUT, NO_PAGE, losing
from tests.support.browser.person import WAYS
from tests.support.users import PASSWORD
from tokens.accounts.hashers import OwaspArgon2PasswordHasher
from tokens.models import Event, Kind
from tokens.origin import Origin
from tokens.sessions.issue import open_session

# How a browser sends a form does not depend on the database.
pytestmark = pytest.mark.once

HERE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCRIPTS, NO_SCRIPTS = WAYS[0], WAYS[2]


def logs_in(name: str) -> Callable[[Page], None]:
    def fill(page: Page) -> None:
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)

    return fill


def nothing(page: Page) -> None:
    """Before the button is pressed."""


def opens_menu(page: Page) -> None:
    page.get_by_role("banner").locator("summary").click()


def pastes(page: Page) -> None:
    page.get_by_label("Token, log, diff or report").fill("no token at all")


def gives_reason(page: Page) -> None:
    page.get_by_role("radio", name="lost device").check()


def types_reason(page: Page) -> None:
    page.get_by_label("Reason").fill("lost device")


def types_everybody(page: Page) -> None:
    types_reason(page)
    page.get_by_label("Type “everyone” to confirm").fill("everyone")


def picks(action: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").select_option(action)
        page.locator("button[name=index]").click()
        types_reason(page)

    return choose


@dataclass(frozen=True)
class Act:
    """Describe an act: page, button, the path of its form, its event, and the text of a repetition.

    ``twice`` marks acts that happen again when they are repeated, such as a login.
    """

    by: str
    at: str
    button: str
    path: str
    kind: Kind
    said: str
    ready: Callable[[Page], None] = nothing
    twice: bool = False
    scripts: bool = True


def changes_password(page: Page) -> None:
    page.get_by_label("Old password").fill(PASSWORD)
    for label in ("New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill(f"{PASSWORD}, and another")


LEFT = "Nothing was revoked"
OWN_LEFT = "nothing to log out"
OWN = "/account/sessions/"
ADMIN = "/admin/auth/user/{user}/"
ACTS = {
    "end one": Act(
        "alice", f"{OWN}{{sid}}/end/", "Log out this session", f"{OWN}{{sid}}/end/",
        Kind.REVOKE_SESSION, OWN_LEFT,
    ),
    "end all others": Act(
        "alice", f"{OWN}end/?keep={{here}}", "Log out everywhere else", f"{OWN}end/",
        Kind.REVOKE_USER, OWN_LEFT,
    ),
    "end all": Act(
        "alice", f"{OWN}end/", "Log out all devices", f"{OWN}end/", Kind.REVOKE_USER, OWN_LEFT,
    ),
    "log in": Act(
        "", "/account/login/", "Log in", "/account/login/", Kind.LOGIN, "Your sessions",
        logs_in("alice"), twice=True,
    ),
    "log in as staff": Act(
        "", "/staff/login/", "Log in", "/staff/login/", Kind.LOGIN, "Overview",
        logs_in("sam"), twice=True,
    ),
    "log out": Act(
        "alice", OWN, "Log out", "/account/logout/", Kind.LOGOUT, "See where you are logged in",
        opens_menu,
    ),
    "log out as staff": Act(
        "sam", "/staff/", "Log out", "/staff/logout/", Kind.LOGOUT, "Staff log in", opens_menu,
    ),
    "inspect": Act(
        "sam", "/staff/inspect/", "Validate", "/staff/inspect/", Kind.TOKEN_INSPECTED,
        "No token was found", pastes, twice=True,
    ),
    "revoke without scripts": Act(
        "sam", "/staff/revoke/?user={user}", "Revoke 3 sessions", "/staff/revoke/",
        Kind.REVOKE_USER, LEFT, gives_reason, scripts=False,
    ),
    "admin: selected tokens": Act(
        "sam", "/admin/token_blacklist/outstandingtoken/?status=active", "Revoke",
        "/admin/token_blacklist/outstandingtoken/", Kind.REVOKE_MATCHING, LEFT,
        picks("revoke_selected"),
    ),
    "admin: selected sessions": Act(
        "sam", "/admin/tokens/session/?status=active", "Revoke", "/admin/tokens/session/",
        Kind.REVOKE_MATCHING, LEFT, picks("revoke_selected"),
    ),
    "admin: all that match": Act(
        "sam", "/admin/tokens/session/revoke-matching/?user=alice", "Revoke",
        "/admin/tokens/session/revoke-matching/", Kind.REVOKE_MATCHING, LEFT, types_reason,
    ),
    "admin: one session": Act(
        "sam", "/admin/tokens/session/{sid}/revoke/", "Revoke",
        "/admin/tokens/session/{sid}/revoke/", Kind.REVOKE_SESSION, LEFT, types_reason,
    ),
    "admin: all of a user": Act(
        "sam", f"{ADMIN}revoke/", "Revoke", f"{ADMIN}revoke/", Kind.REVOKE_USER, LEFT,
        types_reason,
    ),
    "admin: all of many users": Act(
        "sam", "/admin/auth/user/?q=alice", "Revoke", "/admin/auth/user/",
        Kind.REVOKE_USER, LEFT, picks("revoke_all_tokens"),
    ),
    "own password": Act(
        "sam", "/admin/password_change/", "Change password", "/account/password/",
        Kind.PASSWORD_CHANGED, "User name", changes_password,
    ),
    "admin: log out": Act(
        "sam", "/admin/", "Log out", "/admin/logout/", Kind.LOGOUT, "Log in",
    ),
    "admin: everybody": Act(
        "sam", "/admin/tokens/cutoff/add/", "Log everyone out", "/admin/tokens/cutoff/add/",
        Kind.CUTOFF, LEFT, types_everybody, twice=True,
    ),
}  # fmt: skip


@pytest.fixture
def sam(sam: User) -> User:
    """Give Sam a hash like the served portal's, which would otherwise upgrade it at the login."""
    sam.password = make_password(PASSWORD, hasher=OwaspArgon2PasswordHasher())  # type: ignore[arg-type]
    User.objects.filter(pk=sam.pk).update(password=sam.password)
    return sam


@pytest.fixture
def names(portal_server, alice: User) -> dict[str, object]:
    """Alice is here and in two other places."""
    origins = [Origin(ip=ip, user_agent=HERE) for ip in ("127.0.0.1", "192.0.2.7", "192.0.2.8")]
    here, there, _ = [open_session(user=alice, origin=origin).session for origin in origins]
    return {"user": alice.pk, "here": here.pk, "sid": there.pk}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_form_lost_on_its_way_or_back_acts_once_when_sent_again(
    enter: Enter, alice, sam, names, complaints, act: Act
) -> None:
    complaints.allow(CUT)
    who = {"alice": alice, "sam": sam}.get(act.by)
    page = enter(who, SCRIPTS if act.scripts else NO_SCRIPTS, user_agent=HERE).page
    written = Event.objects.filter(kind=act.kind)
    before = written.count()
    for answer in (False, True):
        page.goto(act.at.format(**names))
        act.ready(page)
        with losing(page, "POST", act.path.format(**names), answer=answer):
            page.get_by_role("button", name=act.button, exact=True).click()
        page.wait_for_url(NO_PAGE)
        assert written.count() - before == answer
    page.reload()  # sends it again, as Chromium's page offers
    expect(page.get_by_text(act.said).first).to_be_visible()
    assert written.count() - before == 1 + act.twice
