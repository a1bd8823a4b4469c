"""The audit trail: filtered, paged and exported by those who may."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tokens import audit
from tokens.models import Event, Kind
from tokens.origin import Origin, acting_from
from tokens.sessions.issue import open_session

URL = "/staff/events/"
EXPORT = "/staff/events/export"


@pytest.fixture
def trail(alice, bob):
    """Record a login of Alice, one of Bob from another address, and a refused one."""
    first = open_session(user=alice, origin=Origin(ip="192.0.2.1", user_agent="Firefox"))
    second = open_session(user=bob, origin=Origin(ip="192.0.2.2"))
    audit.record(kind=Kind.LOGIN_REFUSED, subject=bob, reason="wrong password")
    return first, second


@pytest.fixture
def auditing(client, auditor):
    client.force_login(auditor)
    return client


def shown(answer):
    return [event.kind + " " + event.subject_name for event in answer.context["page"].rows]


def test_the_newest_comes_first(auditing, trail):
    expected = ["login_refused bob", "login bob", "login alice"]
    assert shown(auditing.get(URL)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "login"}, ["login bob", "login alice"]),
        ({"subject": "alice"}, ["login alice"]),
        ({"subject": "alice@example.com"}, ["login alice"]),
        ({"actor": "bob"}, ["login bob"]),
        ({"subject": "ALI"}, ["login alice"]),
        ({"ip": "192.0.2.2"}, ["login bob"]),
        ({"kind": "login", "subject": "bob"}, ["login bob"]),
        ({"before": "2001-01-01T00:00"}, []),
        ({"kind": "purged"}, []),
    ],
)
def test_filters_narrow_it(auditing, trail, query, expected):
    assert shown(auditing.get(URL, query)) == expected


def test_by_session_and_by_jti(auditing, trail):
    first, second = trail
    assert shown(auditing.get(URL, {"session": first.session.pk})) == ["login alice"]
    assert shown(auditing.get(URL, {"jti": second.session.current.jti})) == ["login bob"]


def test_session_and_token_of_one_login_are_told_apart(auditing, trail):
    page = auditing.get(URL, {"session": trail[0].session.pk}).text
    session, token = str(trail[0].session.pk), trail[0].session.current.jti
    assert session[:8] == token[:8]
    for name, key in (("session", session), ("token", token)):
        assert f"{name} {key[:8]}…{key[-4:]}" in page


def test_the_trail_of_an_account_that_is_gone_is_found_by_its_key(auditing, trail, alice):
    key = alice.pk
    alice.delete()
    found = shown(auditing.get(URL, {"subject": f"#{key}", "kind": "login"}))
    assert found == ["login alice"]


@pytest.mark.parametrize(
    "query",
    [
        {"ip": "not an address"},
        {"session": "7"},
        {"subject": "nobody"},
        {"subject": "\0"},
        {"kind": "x"},
        {"after": "soon"},
        {"actor": "#" + "9" * 30},
    ],
)
def test_a_filter_that_makes_no_sense_finds_nothing_and_says_so(auditing, trail, query):
    answer = auditing.get(URL, query)
    assert answer.status_code == 200
    assert shown(answer) == []
    assert 'role="alert"' in answer.text


def test_the_start_of_a_name_means_all_who_begin_like_it(auditing, trail):
    from tests.support.users import make_user

    open_session(user=make_user("alison"))
    assert shown(auditing.get(URL, {"subject": "ali"})) == ["login alison", "login alice"]
    for number in range(20):
        make_user(f"ali{number}")
    answer = auditing.get(URL, {"subject": "ali"})
    assert shown(answer) == []
    assert "Too many accounts" in answer.text


def test_everything_about_a_user_a_session_a_token_is_one_click_away(client, sam, trail, alice):
    client.force_login(sam)
    session = trail[0].session
    jti = session.current.jti
    for page, query in (
        (f"/staff/users/{alice.pk}/", f"subject=%23{alice.pk}"),
        (f"/staff/sessions/{session.pk}/", f"session={session.pk}"),
        (f"/staff/tokens/{jti}/", f"jti={jti}"),
    ):
        link = f"{URL}?{query}"
        assert f'href="{link}"' in client.get(page).text
        about = client.get(link)
        assert "login alice" in shown(about)
        assert f'href="{page}"' in about.text


def test_a_search_that_stopped_short_says_so(auditing, alice, monkeypatch):
    from tokens.listing import events
    from tokens.listing import pagination as paging

    for module in (events, paging):
        monkeypatch.setattr(module, "LOOK", 10)
    Event.objects.create(kind=Kind.LOGIN_REFUSED, subject=alice, ip="192.0.2.1")
    Event.objects.bulk_create(
        Event(kind=kind, subject=alice, ip=ip)
        for kind, ip in [(Kind.LOGIN, "192.0.2.1"), (Kind.LOGIN_REFUSED, None)] * 15
    )
    query = {"kind": "login_refused", "ip": "192.0.2.1"}
    answer = auditing.get(URL, query)
    assert shown(answer) == []
    assert "No results among the newest" in answer.text
    older = auditing.get(URL, {**query, "page": answer.context["page"].older})
    assert shown(older) == ["login_refused "]


def test_it_pages_by_key_and_keeps_the_filters(auditing, alice):
    Event.objects.bulk_create(Event(kind=Kind.LOGIN, subject=alice) for _ in range(60))
    first = auditing.get(URL, {"kind": "login"})
    older = first.context["page"].older
    second = auditing.get(URL, {"kind": "login", "page": older})
    assert (len(shown(first)), len(shown(second))) == (50, 10)
    assert f"kind=login&amp;page={older}" in first.text


def test_htmx_gets_the_list_alone(auditing, trail):
    answer = auditing.get(URL, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert 'id="events"' in answer.text


def test_empty_and_no_match_say_different_things(auditing):
    assert "Logins, refreshes and revocations appear here" in auditing.get(URL).text
    assert "search further back" in auditing.get(URL, {"kind": "reuse"}).text


def test_markup_in_an_event_is_inert(auditing, alice):
    attack = "<img src=x onerror=alert(1)>"
    with acting_from(Origin(user_agent=attack, client=attack)):
        audit.record(
            kind=Kind.LOGIN_REFUSED, subject_name=attack, reason=attack, data={attack: attack}
        )
    assert attack not in auditing.get(URL).text


def test_the_number_of_queries_does_not_grow(auditing, alice, django_assert_num_queries):
    def queries(rows):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        Event.objects.bulk_create(Event(kind=Kind.LOGIN, subject=alice) for _ in range(rows))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            auditing.get(URL)
        return len(seen)

    assert queries(3) == queries(45)


@pytest.mark.parametrize(
    ("form", "media"), [("csv", "text/csv"), ("jsonl", "application/x-ndjson")]
)
def test_an_export_streams_what_the_page_shows(auditing, trail, auditor, form, media):
    answer = auditing.post(f"{EXPORT}?subject=alice", {"format": form})
    body = b"".join(answer.streaming_content).decode()
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(media)
    assert "attachment" in answer["Content-Disposition"]
    assert "alice" in body
    assert "bob" not in body
    event = Event.objects.get(kind=Kind.EXPORTED)
    assert event.actor_id == auditor.pk
    assert event.data == {"format": form, "filters": {"subject": "alice"}}


@pytest.mark.parametrize("bad", [("", "xml"), ("?ip=nowhere", "csv"), ("", "")])
def test_an_export_that_makes_no_sense_is_refused(auditing, trail, bad):
    query, form = bad
    assert auditing.post(EXPORT + query, {"format": form}).status_code == 400
    assert not Event.objects.filter(kind=Kind.EXPORTED).exists()


def test_viewing_is_not_exporting(client, sam, viewer):
    from tests.support.users import make_staff

    client.force_login(make_staff("reader", "view_event"))
    assert "Export as" not in client.get(URL).text
    assert client.post(EXPORT, {"format": "csv"}).status_code == 403
    client.force_login(viewer)
    assert client.get(URL).status_code == 403


def test_an_export_is_no_get_and_needs_its_csrf_token(auditing, auditor):
    assert auditing.get(EXPORT).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(auditor)
    assert strict.post(EXPORT, {"format": "csv"}).status_code == 403


def test_a_range_of_time(auditing, alice):
    now = timezone.now()
    for days in (1, 3, 5):
        Event.objects.create(kind=Kind.LOGIN, subject=alice, at=now - timedelta(days=days))
    query = {
        "after": f"{now - timedelta(days=4):%Y-%m-%dT%H:%M}",
        "before": f"{now - timedelta(days=2):%Y-%m-%dT%H:%M}",
    }
    assert len(shown(auditing.get(URL, query))) == 1
