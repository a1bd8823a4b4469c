"""Whatever reaches everybody needs one permission, and so does whatever ends a superuser."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from tests.support.users import make_staff, make_user
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import Cutoff, Event, Kind, OutstandingToken, RevocationJob, Session
from tokens.origin import Origin
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
from tokens.revocation.reviews import FEW, handful
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
    for number in range(FEW):
        open_session(user=make_user(f"another{number}"))
    assert missing(revoker, everyone) == "tokens.add_cutoff"
    open_session(user=make_user("yet another"))
    assert missing(revoker, everyone) == ""


@pytest.mark.parametrize("query", [SessionQuery, TokenQuery])
def test_leaving_out_the_sessions_of_the_actor_alone_still_reaches_everybody(
    revoker, alice, bob, query
):
    """The actor opened the first session, so a later beginning selects those of all others."""
    oldest = open_session(user=revoker).session
    for user in (alice, bob):
        open_session(user=user)
    since = oldest.created_at + timedelta(microseconds=1)
    if connection.vendor == "sqlite":
        since = Session.objects.order_by("created_at")[1].created_at
    others = Selection(matching=query(issued_after=since))
    assert preview(selection=others).sessions == 2
    assert missing(revoker, others) == "tokens.add_cutoff"
    assert missing(make_staff("both", "revoke_token", "add_cutoff"), others) == ""
    open_session(user=make_user("carol"))
    assert missing(revoker, Selection(matching=query(q="alice"))) == ""


@pytest.mark.parametrize(("reached", "left_out"), [(2, 0), (25, 0), (26, 25), (500, 50)])
def test_leaving_out_a_handful_still_reaches_everybody(revoker, reached, left_out):
    """The filter leaves out those of another address, and what the actor has counts for nothing."""
    assert handful(reached) == left_out
    if reached > 50:
        return
    open_session(user=revoker)
    Session.objects.update(ip="10.0.0.2")
    for number in range(reached):
        open_session(user=make_user(f"user{number}"), origin=Origin(ip="10.0.0.1"))
    for number in range(left_out):
        open_session(user=make_user(f"other{number}"), origin=Origin(ip="10.0.0.2"))
    by_address = Selection(matching=SessionQuery(ip="10.0.0.1"))
    assert missing(revoker, by_address) == "tokens.add_cutoff"
    open_session(user=make_user("last"), origin=Origin(ip="10.0.0.2"))
    assert missing(revoker, by_address) == ""


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
    for number in range(FEW):
        make_user(f"another{number}", last_login=timezone.now())
    assert missing(revoker, everyone) == "tokens.add_cutoff"
    make_user("yet another", last_login=timezone.now())
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


@pytest.mark.parametrize(
    "query",
    ["token=never-issued", f"session={UUID(int=7)}", "user=99999", "token=never-issued&user={bob}"],
)
def test_review_of_what_does_not_exist_is_not_recorded(client, revoker, bob, query):
    client.force_login(revoker)
    assert client.get(f"/staff/revoke/?{query.format(bob=bob.pk)}").status_code == 200
    assert not Event.objects.filter(kind=Kind.CLAIMS_VIEWED).exists()


def test_review_records_of_what_was_named_what_exists(client, held, revoker):
    client.force_login(revoker)
    client.get(f"/staff/revoke/?session={held[0].pk}&session={UUID(int=7)}&session={held[1].pk}")
    event = Event.objects.get(kind=Kind.CLAIMS_VIEWED)
    assert event.data["review"]["sessions"] == [str(session.pk) for session in held]
    assert event.session_id is None


def test_review_says_that_superusers_stay(client, held, sam):
    open_session(user=sam)
    Session.objects.update(ip="10.0.0.1")
    client.force_login(make_staff("cutter", "revoke_token", "add_cutoff", "view_session"))
    assert "Sessions of superusers stay" in client.get("/staff/revoke/?matching=1&ip=10.0.0.1").text
    client.force_login(sam)
    shown = client.get("/staff/revoke/?matching=sessions&ip=10.0.0.1").text
    assert "Sessions of superusers stay" not in shown
