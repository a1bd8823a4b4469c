"""One search finds whatever a text names, and leads straight to the only thing it can mean."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from tests.support.tokens import jti
from tests.support.users import make_staff, make_user
from tokens.models import Event, Kind, Refusal
from tokens.origin import Origin
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate

SEARCH = "/staff/search/"
OFFICE = Origin(ip="203.0.113.7", user_agent="curl/8.0", request_id="0123456789abcdef")
HOME = Origin(ip="2001:db8::5", user_agent="curl/8.0")


@pytest.fixture
def pair(alice):
    """Open a session of Alice in the office, and move it home."""
    return rotate(refresh=open_session(user=alice, origin=OFFICE).refresh, origin=HOME)


@pytest.fixture
def staff(client: Client, sam) -> Client:
    client.force_login(sam)
    return client


def test_exact_match_leads_straight_to_it(staff, pair, alice):
    session, token = str(pair.session.pk), jti(pair.refresh)
    for text, address in (
        ("alice", f"/staff/users/{alice.pk}/"),
        (" ALICE@example.com ", f"/staff/users/{alice.pk}/"),
        (f"#{alice.pk}", f"/staff/users/{alice.pk}/"),
        (session, f"/staff/sessions/{session}/"),
        (session.upper(), f"/staff/sessions/{session}/"),
        (f"{session[:8]}…{session[-4:]}", f"/staff/sessions/{session}/"),
        (f"{session[:8].upper()}...{session[-4:]}", f"/staff/sessions/{session}/"),
        (f"{token[:8]}…{token[-4:]}", f"/staff/tokens/{token}/"),
        (f"{token[:8]}...{token[-4:]}".upper(), f"/staff/tokens/{token}/"),
        (token, f"/staff/tokens/{token}/"),
        (OFFICE.request_id, f"/staff/events/?request_id={OFFICE.request_id}"),
    ):
        answer = staff.get(SEARCH, {"q": text})
        assert (answer.status_code, answer.headers.get("Location")) == (302, address), text
    assert b"203.0.113.7" in staff.get(address).content


def test_id_of_a_refused_call_leads_to_its_refusal(staff):
    refused = Client().get("/api/restricted", headers={"Authorization": "Bearer a.b.c"})
    text = refused.headers["X-Request-ID"]
    assert staff.get(SEARCH, {"q": text}).headers["Location"] == f"/staff/refusals/{text}/"
    Refusal.objects.update(at=timezone.now() - timedelta(hours=25))
    answer = staff.get(SEARCH, {"q": text})
    assert (answer.status_code, answer.context["found"].exact) == (200, None)


def test_text_that_may_mean_several_things_shows_all_of_them(staff, pair):
    make_user("alicia")
    for number in range(12):
        make_user(f"bert{number}")
    found = staff.get(SEARCH, {"q": "ali"}).context["found"]
    assert sorted(user.get_username() for user in found.users) == ["alice", "alicia"]
    page = staff.get(SEARCH, {"q": "bert"})
    assert len(page.context["found"].users) == 10
    assert "/staff/users/?q=bert" in page.text
    (token,) = staff.get(SEARCH, {"q": jti(pair.refresh)[:20]}).context["found"].tokens
    assert token.jti == jti(pair.refresh)


@pytest.mark.parametrize("length", [4, 8, 12, 20])
def test_start_of_a_token_id_is_read_in_any_case(staff, pair, length):
    start = jti(pair.refresh)[:length]
    for text in (start, start.upper()):
        found = staff.get(SEARCH, {"q": text}).context["found"]
        assert jti(pair.refresh) in [token.jti for token in found.tokens]
        assert jti(pair.refresh) in staff.get("/staff/tokens/", {"q": text}).text


def test_upper_case_id_of_a_project_is_found_by_its_start(staff, pair):
    token = pair.session.current
    type(token).objects.filter(pk=token.pk).update(jti="ABCDEF01-7")
    for text in ("ABCD", "ABCDEF01"):
        (found,) = staff.get(SEARCH, {"q": text}).context["found"].tokens
        assert found.jti == "ABCDEF01-7"


def test_start_of_a_session_id_finds_the_session_in_lists_too(staff, pair):
    session = str(pair.session.pk)
    found = staff.get(SEARCH, {"q": session[:13]}).context["found"]
    assert [row.pk for row in found.sessions] == [pair.session.pk]
    for text in (session[:6], f"{session[:8]}…{session[-4:]}"):
        for of in ("sessions", "tokens"):
            for status in ("", "active"):
                page = staff.get(f"/staff/{of}/", {"q": text, "status": status}).context["page"]
                assert page.rows, (of, text, status)
        review = staff.get("/staff/revoke/", {"matching": "tokens", "q": text}).context["found"]
        assert review.sessions == 1
    other = staff.get("/staff/sessions/", {"q": f"{session[:8]}…zzzz"}).context["page"]
    assert not other.rows


@pytest.mark.parametrize("text", ["203.0.113.7", "203.0.113.0/24", "2001:db8::5", "2001:db8::/32"])
def test_address_finds_the_sessions_that_were_seen_there(staff, pair, text):
    page = staff.get(SEARCH, {"q": text})
    (session,) = page.context["found"].sessions
    assert session.pk == pair.session.pk
    assert page.context["found"].events
    assert f"/staff/sessions/?ip={quote(text)}&amp;status=active" in page.text


@pytest.mark.parametrize("text", ["munro", "203.0.113.", "iPhone", "10.9.8.7", "", "\0", "x" * 400])
def test_nothing_found_says_what_would_find_something(staff, pair, text):
    page = staff.get(SEARCH, {"q": text})
    assert page.status_code == 200
    assert "203.0.113.0/24" in page.text


def test_pasted_token_is_in_no_address(staff, pair):
    posted = staff.post(SEARCH, {"token": f" {pair.access} "})
    assert (posted.status_code, posted.headers["Location"]) == (307, "/staff/inspect/")
    page = staff.get(SEARCH, {"q": pair.access}, follow=True)
    assert "This is a token" in page.text
    assert pair.access.rpartition(".")[2] not in page.text
    assert staff.post(SEARCH, {"token": "ali"}).headers["Location"] == f"{SEARCH}?q=ali"


def test_token_is_not_inspected_without_the_permission(client, pair):
    client.force_login(make_staff("vera", "view_session"))
    answer = client.post(SEARCH, {"token": pair.access}, follow=True)
    assert "This is a token" in answer.text
    assert pair.access.rpartition(".")[2] not in answer.text + str(answer.redirect_chain)
    assert not Event.objects.filter(kind=Kind.TOKEN_INSPECTED).exists()


def test_search_finds_only_what_the_viewer_may_see(client, pair, alice):
    client.force_login(make_staff("vera"))
    texts = ("alice", str(pair.session.pk), jti(pair.refresh), OFFICE.request_id, OFFICE.ip)
    for text in texts:
        page = client.get(SEARCH, {"q": text})
        assert page.status_code == 200
        assert not page.context["found"]
    client.force_login(make_staff("ada", "view_event"))
    assert client.get(SEARCH, {"q": OFFICE.request_id}).status_code == 302
    assert client.get(SEARCH, {"q": "alice"}).status_code == 200
