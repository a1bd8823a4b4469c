"""Whatever reaches everybody needs one permission, and so does whatever ends a superuser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from tests.support.users import make_staff, make_user
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import Cutoff, Event, Kind, OutstandingToken, RevocationJob, Session
from tokens.revocation import (
    Selection,
    cut_off,
    missing_permission,
    preview,
    revoke_matching,
    revoke_session,
    revoke_token,
    revoke_user,
    start_job,
    within_authority,
    work_off,
)
from tokens.sessions.issue import open_session

FAR = timezone.now() + timedelta(days=36500)
LONG_AGO = timezone.now() - timedelta(days=36500)
EVERYBODY = [
    Selection(everybody=True),
    Selection(issued_before=FAR),
    *(
        Selection(matching=query(**filters))
        for query in (SessionQuery, TokenQuery)
        for filters in (
            {},
            {"q": "  "},
            {"status": "active"},
            {"issued_before": FAR},
            {"used_before": FAR},
            {"expires_before": FAR},
            {"issued_after": LONG_AGO},
            {"used_after": LONG_AGO, "status": "active"},
            {"expires_after": LONG_AGO, "issued_before": FAR},
            {"device": "o"},
            {"ip": "10.0.0.1"},
        )
    ),
]


def missing(actor, selection):
    selection = within_authority(actor=actor, selection=selection)
    return missing_permission(actor=actor, selection=selection, found=preview(selection=selection))


@pytest.fixture
def held(alice, bob):
    sessions = [open_session(user=user).session for user in (alice, bob)]
    Session.objects.update(user_agent="Firefox", ip="10.0.0.1")
    return sessions


@pytest.mark.parametrize("selection", EVERYBODY)
def test_every_spelling_of_everybody_needs_the_permission_for_cutoffs(held, revoker, selection):
    assert missing(revoker, selection) == "tokens.add_cutoff"
    assert missing(make_staff("both", "revoke_token", "add_cutoff"), selection) == ""
    assert missing(None, selection) == ""


def test_a_selection_that_leaves_someone_out_needs_no_more_than_its_own_permission(
    held, revoker, alice, bob
):
    Session.objects.filter(pk=held[0].pk).update(ip="10.0.0.2")
    for selection in (
        Selection(users=(alice.pk, bob.pk)),
        Selection(sessions=tuple(session.pk for session in held)),
        Selection(matching=SessionQuery(ip="10.0.0.2")),
        Selection(matching=SessionQuery(q="alice", issued_before=FAR)),
    ):
        assert missing(revoker, selection) == ""


def test_more_users_than_a_person_picks_can_be_everybody(revoker):
    users = [make_user(f"user{number}") for number in range(26)]
    for user in users:
        open_session(user=user)
    everyone = Selection(users=tuple(user.pk for user in users))
    assert missing(revoker, everyone) == "tokens.add_cutoff"
    open_session(user=make_user("another"))
    assert missing(revoker, everyone) == ""


@pytest.mark.parametrize("filters", [{"q": "user"}, {"expires_after": timezone.now()}])
def test_every_legacy_token_is_everybody(revoker, settings, filters):
    settings.LEGACY_UNTIL = None
    now = timezone.now()
    for number in range(3):
        OutstandingToken.objects.create(
            user=make_user(f"user{number}"),
            jti=f"j{number}",
            token="a.b.",
            created_at=now,
            expires_at=FAR,
        )
    everyone = Selection(matching=TokenQuery(**filters))
    assert missing(revoker, everyone) == "tokens.add_cutoff"
    assert missing(revoker, Selection(matching=TokenQuery(q="user1"))) == ""
    OutstandingToken.objects.create(
        user=make_user("other"),
        jti="other",
        token="a.b.",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    two = Selection(matching=TokenQuery(q="user"))
    assert missing(revoker, two) == ""


def test_every_account_is_everybody_if_browser_sessions_are_all_there_is(revoker):
    for number in range(26):
        make_user(f"user{number}", last_login=timezone.now())
    everyone = Selection(users=tuple(User.objects.values_list("pk", flat=True)))
    assert missing(revoker, everyone) == "tokens.add_cutoff"
    make_user("another", last_login=timezone.now())
    assert missing(revoker, everyone) == ""


def test_staff_end_a_superuser_only_with_that_permission(sam, revoker):
    pair = open_session(user=sam)
    jti = pair.session.current.jti
    acts = {
        "token": lambda by: revoke_token(jti=jti, actor=by, reason="x"),
        "session": lambda by: revoke_session(session=pair.session, actor=by, reason="x"),
        "user": lambda by: revoke_user(user=sam, actor=by, reason="x"),
        "cutoff": lambda by: cut_off(user=sam, not_before=timezone.now(), actor=by, reason="x"),
    }
    for act in acts.values():
        with pytest.raises(PermissionDenied):
            act(revoker)
    assert not Event.objects.exclude(kind=Kind.LOGIN).exists()
    trusted = make_staff("trusted", "revoke_token", "revoke_superuser")
    assert acts["session"](trusted).sessions == 1


def test_superuser_ends_their_own_sessions_without_asking_anyone(sam):
    open_session(user=sam)
    assert revoke_user(user=sam, actor=sam, reason="x").sessions == 1


@pytest.mark.parametrize("kind", ["matching", "job", "cutoff"])
def test_act_upon_many_leaves_superusers_out(held, sam, kind):
    kept = open_session(user=sam).session
    actor = make_staff("cutter", "revoke_token", "add_cutoff")
    everybody = Selection(everybody=True, issued_before=timezone.now())
    found = preview(selection=within_authority(actor=actor, selection=everybody))
    assert (found.sessions, found.spares_superusers) == (2, True)
    if kind == "matching":
        revoke_matching(selection=everybody, actor=actor, reason="x")
    elif kind == "cutoff":
        cut_off(not_before=timezone.now(), actor=actor, reason="x")
    else:
        job = start_job(selection=everybody, found=found, actor=actor, reason="x")
        work_off(job=RevocationJob.objects.get(pk=job.pk), seconds=30)
    assert list(Session.objects.filter(revoked_at=None)) == [kept]
    assert not Cutoff.objects.exists()


def test_review_shows_no_rows_without_the_permission_to_view_them(client, held):
    client.force_login(make_staff("half", "revoke_token"))
    for address in (
        f"/staff/revoke/?session={held[0].pk}",
        "/staff/revoke/?matching=sessions&q=alice",
    ):
        page = client.get(address).text
        assert "This revokes 1 session" in page
        assert "alice" not in page.replace("q=alice", "")
        assert "Firefox" not in page
    answer = client.post(f"/staff/revoke/?session={held[0].pk}", {"reason": "lost device"})
    assert "alice" not in client.get(answer["Location"]).text


@pytest.mark.parametrize("face", ["/staff/revoke/?session={}", "/admin/tokens/session/{}/revoke/"])
def test_looking_at_a_review_is_recorded(client, held, revoker, face):
    client.force_login(revoker)
    client.get(face.format(held[0].pk))
    event = Event.objects.get(kind=Kind.CLAIMS_VIEWED)
    assert (event.actor, event.session_id, event.count) == (revoker, held[0].pk, 1)
    assert event.data == {"review": {"sessions": [str(held[0].pk)], "spare_superusers": True}}


def test_review_says_that_superusers_stay(client, held, sam):
    open_session(user=sam)
    Session.objects.update(ip="10.0.0.1")
    client.force_login(make_staff("cutter", "revoke_token", "add_cutoff", "view_session"))
    assert "Sessions of superusers stay" in client.get("/staff/revoke/?matching=1&ip=10.0.0.1").text
    client.force_login(sam)
    shown = client.get("/staff/revoke/?matching=sessions&ip=10.0.0.1").text
    assert "Sessions of superusers stay" not in shown
