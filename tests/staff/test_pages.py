"""The pages of one token, one session and one person."""

import json
from base64 import urlsafe_b64decode as b64decode
from base64 import urlsafe_b64encode as b64encode
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.support.tokens import pair_of
from tokens import audit, revocation
from tokens.listing.sessions import session_row
from tokens.models import Cutoff, Kind, OutstandingToken, Session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate
from tokens.staff import timeline as timeline_module
from tokens.staff.timeline import timeline


@pytest.fixture
def staff(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


def steps(session: Session) -> list[tuple[str, str]]:
    found = session_row(pk=session.pk)
    return [(step.what, step.mark) for step in timeline(found)]


def stray(user: User | None, jti: str = "f" * 32) -> OutstandingToken:
    """As another service on the same tables writes it."""
    return OutstandingToken.objects.create(
        user=user,
        jti=jti,
        token="a.b.",
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )


@pytest.mark.parametrize("face", ["staff", "admin"])
def test_stored_token_without_an_id_is_shown_without_a_validation(client, sam, alice, face) -> None:
    payload = {"token_type": "refresh", "sid": str(pair_of(alice).session.pk)}
    parts = ({"alg": "HS256"}, payload)
    text = ".".join(b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    token = stray(alice)
    OutstandingToken.objects.filter(pk=token.pk).update(token=f"{text}.")
    client.force_login(sam)
    admin = reverse("admin:token_blacklist_outstandingtoken_change", args=[token.pk])
    page = client.get(f"/staff/tokens/{token.jti}/" if face == "staff" else admin)
    assert page.status_code == 200
    assert "Validation" not in page.text


def test_the_story_goes_from_login_to_end(alice, sam) -> None:
    pair = pair_of(alice)
    rotate(refresh=pair.refresh)
    assert steps(pair.session) == [("logged in", "login"), ("refreshed", "")]
    revocation.revoke_session(session=pair.session, actor=sam, reason="lost device")
    assert steps(pair.session)[-1] == ("session revoked", "end")


def test_it_has_an_end_too_where_all_of_the_user_ended(alice, sam) -> None:
    session = open_session(user=alice).session
    revocation.revoke_user(user=alice, actor=sam, reason="left the company")
    end = timeline(session_row(pk=session.pk))[-1]
    assert (end.what, end.who, end.why) == ("all of a user revoked", "sam", "left the company")


def test_a_cutoff_that_is_not_settled_yet_is_shown(alice) -> None:
    session = open_session(user=alice).session
    Cutoff.objects.create(not_before=timezone.now(), reason="leak")
    assert steps(session)[-1] == ("session ended", "end")


def test_and_where_it_ran_out(alice) -> None:
    session = open_session(user=alice).session
    Session.objects.filter(pk=session.pk).update(expires_at=timezone.now())
    assert steps(session)[-1] == ("expired", "end")


def test_who_only_looked_is_no_part_of_it(staff: Client, alice) -> None:
    session = open_session(user=alice).session
    page = staff.get(f"/staff/sessions/{session.pk}/")
    assert [step.what for step in page.context["steps"]] == ["logged in"]


def test_a_long_one_keeps_its_login_and_its_end(alice, monkeypatch) -> None:
    monkeypatch.setattr(timeline_module, "STEPS", 2)
    pair = pair_of(alice)
    session, refresh = pair.session, pair.refresh
    for _ in range(4):
        refresh = rotate(refresh=refresh).refresh
    told = timeline(session_row(pk=session.pk))
    assert [(step.what, step.gap) for step in told] == [
        ("logged in", False), ("refreshed", True), ("refreshed", False),
    ]  # fmt: skip


def test_the_token_of_the_page_is_marked_in_it(staff: Client, alice) -> None:
    pair = pair_of(alice)
    rotate(refresh=pair.refresh)
    first = pair.session.current
    page = staff.get(f"/staff/tokens/{first.jti}/")
    assert [step.here for step in page.context["steps"]] == [True, False]
    for kind in (Kind.TOKEN_INSPECTED, Kind.REUSE):
        audit.record(kind=kind, subject=alice, session=pair.session.pk, jti=first.jti)
    page = staff.get(f"/staff/tokens/{first.jti}/")
    assert sum(step.here for step in page.context["steps"]) == 1


def test_a_token_of_another_service_has_a_page(staff: Client, alice) -> None:
    token = stray(alice)
    page = staff.get(f"/staff/tokens/{token.jti}/").content.decode()
    assert "has no session" in page
    assert "alice" in page
    assert "Revoke token" in page


def test_id_of_an_access_token_leads_to_its_session(staff: Client, alice) -> None:
    pair = pair_of(alice)
    jti = json.loads(b64decode(pair.access.split(".")[1] + "=="))["jti"]
    assert staff.get(f"/staff/tokens/{jti}/").status_code == 404
    audit.record(kind=Kind.TOKEN_INSPECTED, subject=alice, session=pair.session.pk, jti=jti)
    answer = staff.get(f"/staff/tokens/{jti}/")
    assert answer.headers["Location"] == f"/staff/sessions/{pair.session.pk}/"


def test_so_has_one_whose_account_is_gone(staff: Client, alice) -> None:
    token = open_session(user=alice).session.current
    nobody = stray(None)
    alice.delete()
    page = staff.get(f"/staff/tokens/{token.jti}/").content.decode()
    assert "of alice" in page
    assert "None" not in page
    assert staff.get(f"/staff/tokens/{nobody.jti}/").status_code == 200
    assert staff.get("/staff/tokens/").status_code == 200


def test_a_persons_page_shows_what_no_session_holds(staff: Client, alice) -> None:
    token = stray(alice)
    page = staff.get(f"/staff/users/{alice.pk}/").content.decode()
    assert "Tokens without a session" in page
    assert token.jti in page


def test_some_of_a_persons_sessions_can_be_chosen(staff: Client, viewer, alice) -> None:
    session = open_session(user=alice).session
    box = 'name="session"'
    assert box in staff.get(f"/staff/users/{alice.pk}/").content.decode()
    staff.force_login(viewer)
    page = staff.get(f"/staff/users/{alice.pk}/").content.decode()
    assert box not in page
    assert str(session.pk) in page


def test_the_list_of_users_says_when_each_was_last_seen(staff: Client, alice, bob) -> None:
    open_session(user=alice)
    rows = {row.pk: row.used_at for row in staff.get("/staff/users/").context["page"].rows}
    assert rows[alice.pk] is not None
    assert rows[bob.pk] is None


@pytest.mark.parametrize("path", ["/staff", "/staff/sessions", "/account/sessions"])
def test_address_of_a_page_without_its_slash_is_redirected(client, db, path) -> None:
    answer = client.get(f"{path}?q=x")
    assert (answer.status_code, answer["Location"]) == (301, f"{path}/?q=x")


def test_address_of_a_call_with_a_slash_is_not_found(client, db) -> None:
    assert client.get("/api/restricted/").status_code == 404
