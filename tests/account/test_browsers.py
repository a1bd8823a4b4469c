"""Users see and end their own browser sessions, and name their devices."""

import uuid

import pytest
from django.test import Client

from tests.security.test_browser_sessions import browser
from tokens.listing.browsers import MOST, browser_sessions
from tokens.models import BrowserSession, Event, Kind
from tokens.origin import Origin
from tokens.sessions.issue import open_session
from tokens.validation.browser import ROW

URL = "/account/sessions/"
MANY = "/account/sessions/end/"
AWAY = Origin(ip="192.0.2.7", user_agent="Mozilla/5.0 (iPhone) Safari/604.1")
FIREFOX = {"HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0"}
# No signature verifies it.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl" * 3


def url_of(client: Client, act: str = "end") -> str:
    return f"{URL}{client.session[ROW]}/{act}/"


@pytest.fixture
def here(alice):
    return browser(alice)


@pytest.fixture
def elsewhere(alice):
    client = Client(**FIREFOX, REMOTE_ADDR="192.0.2.9")
    client.force_login(alice)
    BrowserSession.objects.filter(pk=client.session[ROW]).update(
        ip="192.0.2.9", user_agent=FIREFOX["HTTP_USER_AGENT"]
    )
    return client


def is_open(client: Client) -> bool:
    return client.get(URL).status_code == 200


def test_page_lists_my_browsers_and_marks_this_one(here, elsewhere, bob):
    browser(bob)
    page = here.get(URL)
    own = page.context["own"]
    assert str(own.this_browser.pk) == here.session[ROW]
    assert [str(row.pk) for row in own.other_browsers] == [elsewhere.session[ROW]]
    assert page.text.count("This browser<") == 1
    assert "192.0.2.9" in page.text
    assert "Firefox · Linux" in page.text


def test_ending_one_asks_first_and_ends_only_it(here, elsewhere, alice):
    third = browser(alice)
    question = here.get(url_of(elsewhere))
    assert "192.0.2.9" in question.text
    assert is_open(elsewhere)
    answer = here.post(url_of(elsewhere), follow=True)
    assert answer.redirect_chain == [(URL, 302)]
    assert "The session is logged out" in answer.text
    assert [is_open(client) for client in (here, elsewhere, third)] == [True, False, True]
    event = Event.objects.get(kind=Kind.REVOKE_BROWSERS)
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)


def test_ending_it_again_is_no_error(here, elsewhere):
    url = url_of(elsewhere)
    here.post(url)
    assert "There was nothing to log out" in here.post(url, follow=True).text
    assert Event.objects.filter(kind=Kind.REVOKE_BROWSERS).count() == 1


@pytest.mark.parametrize("act", ["end", "name"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_browser_of_another_user_is_not_found(here, bob, act, method):
    other = browser(bob)
    answer = getattr(here, method)(url_of(other, act), {"name": "mine"})
    assert answer.status_code == 404
    assert is_open(other)
    assert BrowserSession.objects.get(pk=other.session[ROW]).name == ""


def test_unknown_id_is_not_found(here):
    for act in ("end", "name"):
        assert here.get(f"{URL}{uuid.uuid4()}/{act}/").status_code == 404


def test_this_browser_can_be_ended_like_any_other(here):
    assert here.post(url_of(here)).status_code == 302
    assert not is_open(here)


def test_logging_out_all_devices_names_the_other_browsers(here, elsewhere):
    page = here.get(MANY).text
    assert "192.0.2.9" in page
    assert "1 other browser is logged out too" in page
    here.post(MANY)
    assert (is_open(here), is_open(elsewhere)) == (True, False)


def test_list_of_browsers_is_bounded(here, alice):
    (row,) = browser_sessions(user=alice)
    rows = []
    for _ in range(MOST + 5):
        row.pk = uuid.uuid4()
        rows.append(
            BrowserSession(**{f.attname: getattr(row, f.attname) for f in row._meta.fields})
        )
    BrowserSession.objects.bulk_create(rows)
    page = here.get(URL)
    assert len(page.context["own"].other_browsers) <= MOST
    assert page.context["own"].this_browser is not None
    assert "Only recently used" in page.text


def test_page_without_a_row_shows_no_browser(here):
    """The database took no writes at the login of an earlier release."""
    session = here.session
    BrowserSession.objects.all().delete()
    del session[ROW]
    session.save()
    assert here.get(URL).status_code == 200


# --- Names.


def test_named_browser_and_session_show_their_names(here, elsewhere, alice):
    session = open_session(user=alice, origin=AWAY).session
    for url, name in ((url_of(elsewhere, "name"), "Desk"), (f"{URL}{session.pk}/name/", "Phone")):
        assert here.get(url).status_code == 200
        answer = here.post(url, {"name": name}, follow=True)
        assert answer.redirect_chain == [(URL, 302)]
        assert name in answer.text
    for text in (here.get(MANY).text, here.get(URL).text):
        assert "Desk" in text
        assert "Phone" in text
    assert "Desk" in here.get(url_of(elsewhere)).text
    assert 'value="Phone"' in here.get(f"{URL}{session.pk}/name/").text


def test_empty_name_removes_it(here):
    here.post(url_of(here, "name"), {"name": "Desk"})
    here.post(url_of(here, "name"), {"name": " "})
    assert BrowserSession.objects.get(pk=here.session[ROW]).name == ""


def test_name_too_long_is_refused_and_kept_in_the_field(here):
    answer = here.post(url_of(here, "name"), {"name": "x" * 61})
    assert answer.status_code == 422
    assert "x" * 61 in answer.text
    assert BrowserSession.objects.get(pk=here.session[ROW]).name == ""


def test_token_typed_as_a_name_is_not_stored(here):
    here.post(url_of(here, "name"), {"name": f"a {TOKEN}"[:60]})
    assert "c2lnbmF0dXJl" not in BrowserSession.objects.get(pk=here.session[ROW]).name


def test_invisible_characters_of_a_name_are_shown(here):
    here.post(url_of(here, "name"), {"name": "De\u202esk"})
    page = here.get(URL).text
    assert "\u202e" not in page
    assert "U+202E" in page


def test_markup_in_a_name_is_inert(here, alice, sam):
    session = open_session(user=alice, origin=AWAY).session
    for url in (url_of(here, "name"), f"{URL}{session.pk}/name/"):
        here.post(url, {"name": "<b>Desk"})
    staff = browser(sam)
    mine = (URL, MANY, url_of(here), url_of(here, "name"))
    user = f"/staff/users/{alice.pk}/"
    theirs = (user, "/staff/sessions/", f"/staff/sessions/{session.pk}/")
    theirs += (f"/admin/auth/user/{alice.pk}/change/", "/admin/tokens/session/")
    theirs += (f"{user}browsers/{here.session[ROW]}/revoke/",)
    for client, pages in ((here, mine), (staff, theirs)):
        for page in pages:
            assert "<b>Desk" not in client.get(page).text, page
    assert "&lt;b&gt;Desk" in staff.get(user).text


def test_ended_session_can_not_be_named(here, elsewhere):
    url = url_of(elsewhere, "name")
    elsewhere.logout()
    assert here.post(url, {"name": "Desk"}).status_code == 404
