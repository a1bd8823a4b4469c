"""Who may see which page, and what each gets who may not."""

import pytest
from django.test import Client

from tokens.issuing import open_session
from tokens.models import Event, Kind, Session

TOKENS = {"sam", "viewer", "revoker"}
ALLOWED = {
    "/staff/tokens/": TOKENS,
    "/staff/tokens/{jti}/": TOKENS,
    "/staff/users/": TOKENS,
    "/staff/users/{user}/": TOKENS,
    "/staff/sessions/": TOKENS,
    "/staff/sessions/{sid}/": TOKENS,
    "/staff/revoke/?session={sid}": {"sam", "revoker"},
    "/staff/revoke/?everybody=1&before=2020-01-01T00:00:00Z": {"sam"},
}
PEOPLE = ("alice", "sam", "viewer", "revoker", "inspector", "auditor")


@pytest.fixture
def held(bob) -> Session:
    return open_session(user=bob).session


def spelled(path: str, held: Session) -> str:
    assert held.current is not None
    return path.format(jti=held.current.jti, sid=held.pk, user=held.user_id)


@pytest.mark.parametrize("fragment", [False, True], ids=["page", "fragment"])
@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("path", ALLOWED)
def test_only_who_may_sees_it(request, client: Client, held, path, person, fragment) -> None:
    client.force_login(request.getfixturevalue(person))
    headers = {"HX-Request": "true"} if fragment else {}
    answer = client.get(spelled(path, held), headers=headers)
    assert answer.status_code == (200 if person in ALLOWED[path] else 403)


@pytest.mark.parametrize("path", ALLOWED)
def test_a_stranger_is_sent_to_log_in(client: Client, held, path) -> None:
    answer = client.get(spelled(path, held))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/staff/login/?next=/staff/")


@pytest.mark.parametrize("path", ALLOWED)
def test_an_expired_session_takes_the_browser_to_log_in(client: Client, held, path) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/staff/tokens/?q=bob"}
    answer = client.get(spelled(path, held), headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["HX-Redirect"] == "/staff/login/?next=/staff/tokens/%3Fq%3Dbob"


def test_a_refusal_is_written_down_and_said_kindly(client: Client, auditor) -> None:
    client.force_login(auditor)
    answer = client.get("/staff/tokens/")
    assert b"<h1" in answer.content
    event = Event.objects.get(kind=Kind.PERMISSION_DENIED)
    assert (event.actor, event.data["path"]) == (auditor, "/staff/tokens/")


@pytest.mark.parametrize("path", ["/staff/tokens/", "/staff/tokens/{jti}/", "/staff/users/{user}/"])
def test_who_may_end_nothing_sees_no_button_for_it(client: Client, viewer, held, path) -> None:
    client.force_login(viewer)
    assert "Revoke" not in client.get(spelled(path, held)).content.decode()


@pytest.mark.parametrize("path", list(ALLOWED)[:6])
def test_reading_pages_take_no_other_method(client: Client, sam, held, path) -> None:
    client.force_login(sam)
    assert client.post(spelled(path, held)).status_code == 405
