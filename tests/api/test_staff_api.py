"""The staff API does what the staff pages do, with the same permissions and events."""

import pytest

from tests.support.users import make_staff
from tokens.models import Event, Kind, OutstandingToken, Session

LISTS = {
    "tokens": "view_outstandingtoken",
    "sessions": "view_session",
    "events": "view_event",
}


def as_(api, login, user):
    return {"HTTP_AUTHORIZATION": f"Bearer {login(api, user)['access']}"}


@pytest.mark.parametrize(("name", "permission"), LISTS.items())
def test_staff_list_needs_its_permission(api, alice, login, name, permission):
    url = f"/api/staff/{name}"
    allowed = as_(api, login, make_staff("able", permission))
    assert api.get(url, **allowed).json()["results"]
    for refused in (alice, make_staff("unable", "inspect_token")):
        assert api.get(url, **as_(api, login, refused)).status_code == 403
        assert Event.objects.filter(kind=Kind.PERMISSION_DENIED, actor=refused).count() == 1
    assert api.get(url).status_code == 401


def test_reading_claims_records_an_event(api, alice, viewer, login):
    login(api, alice)
    jti = OutstandingToken.objects.get(user=alice).jti
    body = api.get(f"/api/staff/tokens/{jti}", **as_(api, login, viewer)).json()
    assert body["claims"]["jti"] == jti
    event = Event.objects.get(kind=Kind.CLAIMS_VIEWED)
    assert (event.actor_id, event.subject_id, event.jti) == (viewer.pk, alice.pk, jti)


def test_no_staff_response_holds_the_text_of_a_token(api, alice, sam, login):
    login(api, alice)
    staff = as_(api, login, sam)
    for name in LISTS:
        assert b"eyJ" not in api.get(f"/api/staff/{name}", **staff).content


@pytest.mark.parametrize("what", ["tokens", "sessions", "users"])
def test_revocation_by_staff_answers_what_it_ended(api, alice, revoker, login, what):
    pair = login(api, alice)
    target = {
        "tokens": OutstandingToken.objects.get(user=alice).jti,
        "sessions": Session.objects.get(user=alice).pk,
        "users": alice.pk,
    }[what]
    staff, url = as_(api, login, revoker), f"/api/staff/{what}/{target}/revoke"
    assert api.post(url, {}, format="json", **staff).status_code == 400
    answer = api.post(url, {"reason": "lost laptop"}, format="json", **staff)
    assert answer.json() == {"tokens": 1, "sessions": 1, "users": 1}
    again = api.post(url, {"reason": "lost laptop"}, format="json", **staff)
    assert again.json() == {"tokens": 0, "sessions": 0, "users": 0}
    assert api.post("/api/verify", {"token": pair["access"]}, format="json").status_code == 401
    assert Event.objects.filter(actor=revoker, reason="lost laptop").count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "tokens/nothing",
        "tokens/%00",
        f"sessions/{'0' * 8}-0000-0000-0000-{'0' * 12}",
        "users/99999999999999999999",
    ],
)
def test_unknown_id_is_a_404(api, sam, login, path):
    staff = as_(api, login, sam)
    answer = api.post(f"/api/staff/{path}/revoke", {"reason": "x"}, format="json", **staff)
    assert answer.status_code == 404
    assert api.get(f"/api/staff/{path}", **staff).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=x", "limit=1_0", "status=dead", "ip=x", "ip=fe80::1%251", "q=%00"),
        *("user=x", "user=%D9%A3", "issued_after=2026-W01", "issued_after=noon", "cursor=%2B%2F"),
    ],
)
def test_invalid_filter_is_a_400(api, sam, login, query):
    staff = as_(api, login, sam)
    assert api.get(f"/api/staff/tokens?{query}", **staff).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["issued_after=2026-01-01", "issued_after=2026-01-01t00:00:00z", "q=", "cursor=", "ip=%3A%3A1"],
)
def test_valid_filter_is_a_200(api, sam, login, query):
    staff = as_(api, login, sam)
    assert api.get(f"/api/staff/tokens?{query}", **staff).status_code == 200


@pytest.mark.parametrize(
    "path", ["staff/tokens", "staff/sessions", "staff/events", "staff/users/{pk}", "sessions"]
)
def test_error_names_an_unknown_or_invalid_parameter(api, sam, login, path):
    staff, path = as_(api, login, sam), f"/api/{path.format(pk=sam.pk)}"
    for query, name in (
        ("stauts=active", "stauts"),
        ("cursor=%2B", "cursor"),
        ("cursor=x", "cursor"),
        ("limit=0", "limit"),
    ):
        answer = api.get(f"{path}?{query}", **staff)
        assert (answer.status_code, list(answer.json())) == (400, [name]), answer.content
    assert "limit" in api.get(f"{path}?stauts=active", **staff).json()["stauts"][0]


def test_cursor_of_another_list_or_of_other_filters_is_a_400(api, sam, alice, login):
    login(api, alice)
    for _ in range(3):
        staff = as_(api, login, sam)
    cursor = api.get("/api/staff/sessions?limit=1&status=active", **staff).json()["next"]
    followed = api.get(f"/api/staff/sessions?status=active&limit=3&cursor={cursor}", **staff)
    assert len(followed.json()["results"]) == 3
    for path in (
        "staff/sessions?",
        "staff/sessions?status=revoked&",
        f"staff/sessions?status=active&user={sam.pk}&",
        "staff/tokens?status=active&",
        "staff/events?",
        "sessions?",
        f"staff/users/{sam.pk}?",
    ):
        answer = api.get(f"/api/{path}cursor={cursor}", **staff)
        assert (answer.status_code, list(answer.json())) == (400, ["cursor"]), path
        assert "these filters" in answer.json()["cursor"][0]
    held = Event.objects.filter(kind=Kind.CLAIMS_VIEWED)
    assert not held.exists()


def test_cursor_of_another_users_sessions_is_a_400(api, sam, alice, login):
    for _ in range(2):
        theirs, own = as_(api, login, alice), as_(api, login, sam)
    cursor = api.get("/api/sessions?limit=1", **theirs).json()["next"]
    assert api.get(f"/api/sessions?cursor={cursor}", **theirs).status_code == 200
    assert api.get(f"/api/sessions?cursor={cursor}", **own).status_code == 400


def test_misspelled_parameter_ends_no_session(api, alice, login):
    staff = as_(api, login, alice)
    answer = api.delete("/api/sessions?kepp=current", **staff)
    assert (answer.status_code, list(answer.json())) == (400, ["kepp"])
    assert api.get("/api/restricted", **staff).status_code == 200


def test_account_is_shown_with_its_sessions(api, alice, viewer, login):
    login(api, alice)
    body = api.get(f"/api/staff/users/{alice.pk}", **as_(api, login, viewer)).json()
    assert (body["username"], len(body["sessions"]["results"])) == ("alice", 1)


@pytest.mark.parametrize(("form", "media"), [("csv", "text/csv"), ("ecs", "application/x-ndjson")])
def test_export_streams_the_trail_and_records_an_event(api, alice, auditor, login, form, media):
    login(api, alice)
    staff, query = as_(api, login, auditor), {"format": form, "subject": alice.pk}
    answer = api.get("/api/staff/events/export", query, **staff)
    assert answer.status_code == 200
    assert answer.streaming
    assert answer["Content-Type"].startswith(media)
    assert answer["Cache-Control"] == "no-store"
    body = b"".join(answer.streaming_content).decode()
    assert "alice" in body
    assert "auditor" not in body
    event = Event.objects.get(kind=Kind.EXPORTED)
    assert (event.actor_id, event.count) == (auditor.pk, 1)
    assert event.data == {"format": form, "filters": {"subject": str(alice.pk)}}


def test_head_of_an_export_writes_no_event(api, auditor, login):
    url, staff = "/api/staff/events/export?format=csv", as_(api, login, auditor)
    answer = api.head(url, **staff)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, OPTIONS")
    assert not Event.objects.filter(kind=Kind.EXPORTED).exists()


def test_export_needs_its_own_permission_and_a_format(api, login, auditor):
    url, reader = "/api/staff/events/export", make_staff("reader", "view_event")
    assert api.get(url, {"format": "csv"}).status_code == 401
    assert api.get(url, {"format": "csv"}, **as_(api, login, reader)).status_code == 403
    for query in ({}, {"format": "xml"}, {"format": "csv", "ip": "nowhere"}):
        assert api.get(url, query, **as_(api, login, auditor)).status_code == 400
    assert not Event.objects.filter(kind=Kind.EXPORTED).exists()
