"""Staff see the browser sessions of a user, and revoke one of them."""

import uuid

import pytest
from django.test import Client

from tests.security.test_browser_sessions import browser
from tests.support.tokens import later
from tests.support.users import PASSWORD, make_staff, make_user
from tokens.models import BrowserSession, Event, Kind
from tokens.validation.browser import ROW

WHY = {"reason": "lost device"}
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def held(alice):
    client = browser(alice)
    BrowserSession.objects.update(
        ip="192.0.2.9", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0", name="Desk"
    )
    return client


@pytest.fixture
def staff(held, sam):
    return browser(sam)


@pytest.fixture
def root(db):
    return make_user("root", is_staff=True, is_superuser=True)


def page_of(user) -> str:
    return f"/staff/users/{user.pk}/"


def url_of(client: Client, user) -> str:
    return f"{page_of(user)}browsers/{client.session[ROW]}/revoke/"


def is_open(client: Client) -> bool:
    return client.get("/account/sessions/").status_code == 200


def test_page_of_a_user_lists_browser_sessions(staff, held, alice):
    page = staff.get(page_of(alice)).text
    for shown in ("Browser sessions", "Desk", "Firefox · Linux", "192.0.2.9", url_of(held, alice)):
        assert shown in page


def test_page_of_a_user_without_one_says_so(staff, bob):
    assert "No browser is logged in." in staff.get(page_of(bob)).text


def test_own_page_marks_this_browser(staff, sam):
    assert staff.get(page_of(sam)).text.count("This browser<") == 1


def test_admin_lists_them_with_the_sessions_of_the_account(staff, held, alice):
    page = staff.get(f"/admin/auth/user/{alice.pk}/change/").text
    assert "Desk (Firefox · Linux)" in page
    assert f'href="{page_of(alice)}#browsers"' in page


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_review_asks_for_a_reason_and_is_recorded(staff, held, alice, headers):
    review = staff.get(url_of(held, alice), **headers)
    assert "192.0.2.9" in review.text
    assert ("<html" in review.text) is not bool(headers)
    viewed = Event.objects.filter(kind=Kind.CLAIMS_VIEWED).latest("pk")
    assert (viewed.subject, viewed.data["browser"]) == (alice, held.session[ROW])
    refused = staff.post(url_of(held, alice), {}, **headers)
    assert refused.status_code == 422
    assert "Choose a reason." in refused.text
    assert is_open(held)


def test_revocation_ends_this_one_alone_and_names_the_reason(staff, held, alice, sam):
    other = browser(alice)
    answer = staff.post(url_of(held, alice), WHY, follow=True)
    assert answer.redirect_chain == [(page_of(alice), 302)]
    assert "Revoked a browser session of alice." in answer.text
    assert (is_open(held), is_open(other)) == (False, True)
    event = Event.objects.get(kind=Kind.REVOKE_BROWSERS)
    assert (event.actor, event.subject, event.reason) == (sam, alice, "lost device")


def test_dialog_tells_the_page_behind_it(staff, held, alice):
    answer = staff.post(url_of(held, alice), WHY, **HTMX)
    assert answer.status_code == 204
    assert "portal:revoked" in answer.headers["HX-Trigger"]
    assert not is_open(held)


def test_second_revocation_ends_nothing(staff, held, alice):
    url = url_of(held, alice)
    staff.post(url, WHY)
    assert "Nothing was revoked" in staff.post(url, WHY, follow=True).text
    assert Event.objects.filter(kind=Kind.REVOKE_BROWSERS).count() == 1


def test_browser_session_of_another_user_is_not_found(staff, held, bob):
    url = url_of(held, bob)
    assert staff.get(url).status_code == staff.post(url, WHY).status_code == 404
    assert staff.get(f"{page_of(bob)}browsers/{uuid.uuid4()}/revoke/").status_code == 404
    assert is_open(held)


def test_superuser_needs_the_permission_for_superusers(staff, sam):
    revoker = browser(make_staff("revoker", "revoke_token", "view_outstandingtoken"))
    assert "browsers/" not in revoker.get(page_of(sam)).text
    assert revoker.post(url_of(staff, sam), WHY).status_code == 403
    assert is_open(staff)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "dialog"])
def test_browser_of_another_superuser_needs_a_fresh_proof(alice, sam, root, headers):
    held, staff = browser(root), browser(sam)
    url = url_of(held, root)
    with later(minutes=11):
        refused = staff.post(url, WHY, **headers)
        assert refused.status_code == 422
        assert "Your password" in refused.text
        assert is_open(held)
        staff.post(url, WHY | {"password": PASSWORD}, **headers)
        assert not is_open(held)


def test_own_browser_can_be_revoked(staff, sam):
    staff.post(url_of(staff, sam), WHY)
    assert not is_open(staff)
