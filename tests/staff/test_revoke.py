"""A revocation ends exactly what its review listed, and only after a confirmation."""

import html
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.support.tokens import later
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session

REASON = {"reason": "lost device"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def staff(client: Client, revoker: User) -> Client:
    client.force_login(revoker)
    return client


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


def test_looking_ends_nothing(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    review = staff.get(f"/staff/revoke/?session={session.pk}").content.decode()
    assert "This revokes 1 session" in review
    assert live() == 1


def test_only_what_was_chosen_ends(staff: Client, revoker, alice, bob) -> None:
    chosen = [open_session(user=user).session for user in (alice, bob)]
    kept = open_session(user=alice).session
    query = "&".join(f"session={session.pk}" for session in chosen)
    answer = staff.post(f"/staff/revoke/?{query}", REASON, follow=True)
    assert "Revoked 2 sessions of 2 people (alice, bob)" in answer.content.decode()
    assert list(Session.objects.filter(revoked_at=None)) == [kept]
    event = Event.objects.get(kind=Kind.REVOKE_MATCHING)
    assert (event.actor, event.reason, event.count) == (revoker, "lost device", 2)


def test_repeating_it_is_harmless(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    address = f"/staff/revoke/?session={session.pk}"
    staff.post(address, REASON)
    answer = staff.post(address, REASON, follow=True)
    assert "Nothing was revoked" in answer.content.decode()
    assert Event.objects.filter(kind=Kind.REVOKE_SESSION).count() == 1


@pytest.mark.parametrize("body", [{}, {"reason": "no such"}, {"reason": "other"}])
def test_a_reason_is_required(staff: Client, alice, body) -> None:
    session = open_session(user=alice).session
    assert staff.post(f"/staff/revoke/?session={session.pk}", body).status_code == 422
    assert live() == 1


def test_many_are_ended_only_with_their_number_typed(staff: Client, alice) -> None:
    for _ in range(26):
        open_session(user=alice)
    address = f"/staff/revoke/?user={alice.pk}"
    assert staff.post(address, {**REASON, "typed": "25"}).status_code == 422
    assert live() == 26
    assert staff.post(address, {**REASON, "typed": "26"}).status_code == 302
    assert live() == 0


def test_all_that_match_a_filter(staff: Client, alice, bob) -> None:
    open_session(user=alice)
    kept = open_session(user=bob).session
    staff.post("/staff/revoke/?matching=1&q=alice", REASON)
    assert list(Session.objects.filter(revoked_at=None)) == [kept]


def test_everybody_before_an_instant(client: Client, sam, alice, bob) -> None:
    client.force_login(sam)
    for user in (alice, bob):
        open_session(user=user)
    instant = timezone.now().isoformat().replace("+00:00", "Z")
    address = f"/staff/revoke/?everybody=1&before={instant}"
    assert client.post(address, REASON).status_code == 422
    assert live() == 2
    client.post(address, {**REASON, "typed": "2"})
    assert live() == 0
    assert Event.objects.get(kind=Kind.CUTOFF).actor == sam


def test_everybody_until_now_is_reviewed_and_ended_up_to_the_same_instant(
    client: Client, sam, alice
) -> None:
    client.force_login(sam)
    open_session(user=alice)
    review = client.get("/staff/revoke/?everybody=1&before=now").text
    assert "This revokes 1 session" in review
    assert "Choose another time…" in review
    address = html.unescape(re.search(r'hx-post="([^"]+)"', review)[1])
    assert "before=now" not in address
    with later(minutes=5):
        kept = open_session(user=alice).session
        client.post(address, {**REASON, "typed": "1"})
    assert list(Session.objects.filter(revoked_at=None)) == [kept]


def test_review_says_how_many_sessions_it_does_not_list(staff: Client, alice) -> None:
    for _ in range(13):
        open_session(user=alice)
    page = staff.get(f"/staff/revoke/?user={alice.pk}").content.decode()
    assert "This revokes 13 sessions" in page
    assert "and 3 more" in page


def test_row_of_a_list_leads_to_its_review(client: Client, revoker, sam, alice) -> None:
    """Rows that the viewer may not revoke, or that have ended, have no link and no box."""
    there = Origin(ip="192.0.2.7")
    session, ended = (open_session(user=alice, origin=there).session for _ in range(2))
    revoke_session(session=ended, actor=sam, reason="lost device")
    of_superuser = open_session(user=sam, origin=there).session
    client.force_login(revoker)
    for page, name in (
        ("/staff/sessions/?ip=192.0.2.7", "session"),
        ("/staff/tokens/", "token"),
        (f"/staff/users/{alice.pk}/", "session"),
        ("/staff/search/?q=192.0.2.0/24", "session"),
    ):
        keys = [
            str(one.pk) if name == "session" else one.current.jti
            for one in (session, ended, of_superuser)
        ]
        text = html.unescape(client.get(page).text)
        links = [f"/staff/revoke/?{name}={key}&next={quote(page, safe='/')}" for key in keys]
        assert [text.count(f'href="{link}"') for link in links] == [1, 0, 0], page
        boxes = [f'name="{name}" value="{key}"' in text for key in keys]
        assert boxes == ["search" not in page, False, False], page
    assert "This revokes 1 session" in client.get(links[0]).text


@pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Current-URL": "http://testserver/staff/"}])
def test_review_opens_again_after_a_login_that_came_before_its_act(client, revoker, alice, headers):
    session = open_session(user=alice).session
    address = f"/staff/revoke/?session={session.pk}"
    answer = client.post(address, {**REASON, "next": "/staff/sessions/?q=al"}, headers=headers)
    to_login = answer.headers.get("HX-Redirect") or answer.headers["Location"]
    review = parse_qs(urlsplit(to_login).query)["next"][0]
    client.force_login(revoker)
    page = client.get(review)
    assert "Nothing was revoked: you had been logged out." in page.text
    assert "This revokes 1 session" in page.text
    assert re.search(r'value="lost device"\s+required\s+checked', page.text)
    assert 'href="/staff/sessions/?q=al"' in page.text
    assert live() == 1
    form = re.search(r'action="(/staff/revoke/[^"]+)"', page.text)
    assert form
    assert html.unescape(form[1]) == address
    answer = client.post(address, {**REASON, "next": "/staff/sessions/?q=al"}, follow=True)
    assert "Nothing was revoked" not in answer.text
    assert live() == 0


def test_login_after_an_act_on_many_rows_leads_back_to_them(client, revoker, alice) -> None:
    session = open_session(user=alice).session
    listed = {"listed": f"session={session.pk}", "detail": "", "next": "/staff/inspect/"}
    answer = client.post("/staff/revoke/", REASON | listed)
    review = parse_qs(urlsplit(answer["Location"]).query)["next"][0]
    client.force_login(revoker)
    page = client.get(review).text
    assert "Nothing was revoked: you had been logged out." in page
    assert "Everything has ended already" not in page
    assert 'href="/staff/inspect/" data-close' in page


def test_no_csrf_token_no_act(revoker, alice) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(revoker)
    session = open_session(user=alice).session
    assert client.post(f"/staff/revoke/?session={session.pk}", REASON).status_code == 403
    assert live() == 1


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_it_returns_only_to_a_page_of_the_portal(staff: Client, alice, to) -> None:
    session = open_session(user=alice).session
    answer = staff.post(f"/staff/revoke/?session={session.pk}", {**REASON, "next": to})
    assert answer["Location"] == "/staff/tokens/"


@pytest.mark.parametrize("status", ["expired", "revoked", "rotated"])
def test_a_list_of_what_has_ended_matches_nothing_live(staff: Client, alice, status) -> None:
    open_session(user=alice)
    address = f"/staff/revoke/?matching=1&q=alice&status={status}"
    assert "Nothing to revoke" in staff.get(address).content.decode()
    staff.post(address, REASON)
    assert live() == 1


@pytest.mark.parametrize("of", ["tokens", "sessions"])
def test_all_that_match_is_offered_only_where_something_may_be_live(staff, alice, bob, of) -> None:
    open_session(user=bob)
    revoke_session(session=open_session(user=alice).session, actor=None, reason="why")
    for query, offered in {
        "q=alice": False,
        "q=bob": True,
        "status=revoked": False,
        "status=active": True,
        "ip=nowhere": False,
    }.items():
        page = staff.get(f"/staff/{of}/?{query}").text
        assert ("Revoke all that match…" in page) is offered, query


def test_everybody_without_an_instant_is_asked_for_one(client: Client, sam, alice) -> None:
    client.force_login(sam)
    open_session(user=alice)
    asked = client.get("/staff/revoke/?everybody=1").content.decode()
    assert 'type="datetime-local"' in asked
    assert client.get("/staff/revoke/?everybody=1&before=soon").content.decode() != ""
    assert live() == 1


@pytest.mark.parametrize("path", ["/staff/", "/staff/sessions/"])
def test_who_may_end_everybody_finds_the_way_there(client: Client, sam, revoker, path) -> None:
    client.force_login(sam)
    assert "?everybody=1" in client.get(path).content.decode()
    client.force_login(revoker)
    assert "?everybody=1" not in client.get(path).content.decode()


def test_htmx_is_told_what_happened_and_stays_where_it_is(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    answer = staff.post(f"/staff/revoke/?session={session.pk}", REASON, headers=HTMX)
    assert (answer.status_code, answer.content) == (204, b"")
    said = json.loads(answer["HX-Trigger"])["portal:revoked"]["message"]
    assert said.startswith("Revoked 1 session of 1 person (alice).")
    assert live() == 0


def test_htmx_gets_the_review_again_with_what_is_wrong(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    answer = staff.post(f"/staff/revoke/?session={session.pk}", {}, headers=HTMX)
    assert answer.status_code == 422
    assert b"<html" not in answer.content
    assert "Choose a reason." in answer.content.decode()


def test_a_range_of_the_list_of_tokens_is_over_the_tokens_own_instants(staff, alice, bob) -> None:
    old, new = open_session(user=alice).session, open_session(user=bob).session
    last_week = timezone.now() - timedelta(days=7)
    OutstandingToken.objects.filter(pk=old.current_id).update(created_at=last_week)
    staff.post(
        "/staff/revoke/?matching=tokens&issued_after=2001-01-01&issued_before="
        f"{(last_week + timedelta(days=1)).date()}",
        REASON,
    )
    assert list(Session.objects.filter(revoked_at=None)) == [new]


@pytest.mark.parametrize("name", ["used", "expires"])
def test_all_that_match_keeps_to_the_ranges_of_the_list(staff: Client, alice, bob, name) -> None:
    old = open_session(user=alice).session
    open_session(user=bob)
    column = {"used": "last_used_at", "expires": "expires_at"}[name]
    far = timezone.now() + timedelta(days=365)
    Session.objects.filter(pk=old.pk).update(**{column: far})
    staff.post(f"/staff/revoke/?matching=sessions&{name}_before={far.date()}", REASON)
    assert list(Session.objects.filter(revoked_at=None)) == [old]


def test_a_persons_own_words_are_offered_again(staff: Client, alice) -> None:
    first, second = (open_session(user=alice).session for _ in range(2))
    own = {"reason": "other", "detail": "laptop left in a <train>"}
    staff.post(f"/staff/revoke/?session={first.pk}", own)
    review = staff.get(f"/staff/revoke/?session={second.pk}").content.decode()
    assert '<option value="laptop left in a &lt;train&gt;">' in review


def test_without_javascript_it_returns_to_the_list_as_it_was(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    there = "/staff/sessions/?q=alice"
    review = f"/staff/revoke/?session={session.pk}&next=%2Fstaff%2Fsessions%2F%3Fq%3Dalice"
    assert 'name="next" value="/staff/sessions/?q=alice"' in staff.get(there).content.decode()
    assert 'value="/staff/sessions/?q=alice"' in staff.get(review).content.decode()
    assert staff.post(review, REASON)["Location"] == there


def test_default_of_log_everyone_out_reaches_sessions_of_this_second(client, sam, alice):
    client.force_login(sam)
    open_session(user=alice)
    form = client.get("/staff/revoke/", {"everybody": "1"})
    (before,) = re.findall(r'value="(20[^"]+)"', form.text)
    review = client.get("/staff/revoke/", {"everybody": "1", "before": before})
    assert review.context["found"].sessions == 1
