"""A user without a permission gets a clear refusal; see also tests/security/test_access.py."""

import re

import pytest
from django.test import Client

from tokens.models import Event, Kind, Session
from tokens.sessions.issue import open_session


@pytest.fixture
def held(bob) -> Session:
    return open_session(user=bob).session


def spelled(path: str, held: Session) -> str:
    assert held.current is not None
    return path.format(jti=held.current.jti, sid=held.pk, user=held.user_id)


def test_a_refusal_is_recorded_and_explained(client: Client, auditor) -> None:
    client.force_login(auditor)
    answer = client.get("/staff/tokens/")
    assert b"<h1" in answer.content
    event = Event.objects.get(kind=Kind.PERMISSION_DENIED)
    assert (event.actor, event.data["path"]) == (auditor, "/staff/tokens/")


@pytest.mark.parametrize("path", ["/staff/tokens/", "/staff/tokens/{jti}/", "/staff/users/{user}/"])
def test_who_may_end_nothing_sees_no_button_for_it(client: Client, viewer, held, path) -> None:
    client.force_login(viewer)
    page = client.get(spelled(path, held)).content.decode()
    assert re.search(r">\s*Revoke\b", page) is None
