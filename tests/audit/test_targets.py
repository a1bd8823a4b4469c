"""An act upon many is in the trail and the export of everyone that it ended."""

import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.audit.events import seal, sql, unguarded, verify
from tokens.audit import export
from tokens.audit.retention import remove_events
from tokens.audit.tampered import Tampered
from tokens.audit.verify import compare
from tokens.listing.events import EventQuery
from tokens.listing.selection import words_of
from tokens.listing.sessions import SessionQuery
from tokens.models import Event, EventTarget, EventWindow, Kind, Session
from tokens.revocation import (
    Selection,
    cut_off,
    cutoffs,
    preview,
    revoke_matching,
    revoke_user,
    start_job,
    work_off,
)
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate

pytestmark = pytest.mark.django_db


def trail(**of):
    """Return the kinds of the events in a list, oldest first; the export must have the same."""
    query = EventQuery(**of)
    listed, cursor = [], ""
    while True:
        page = query.listing().page(size=3, cursor=cursor)
        listed += [event.pk for event in page.rows]
        if not (cursor := page.older):
            break
    assert len(listed) == len(set(listed))
    exported = [json.loads(line)["id"] for line in export.write_jsonl(query.rows())]
    assert sorted(listed) == sorted(exported)
    return list(Event.objects.filter(pk__in=listed).order_by("pk").values_list("kind", flat=True))


def of_session(session):
    return trail(session=session.pk)


def of_user(user):
    return trail(subject=user.pk)


def job(selection, actor, *, batches):
    found = preview(selection=selection)
    started = start_job(selection=selection, found=found, actor=actor, reason="x")
    return work_off(job=started, seconds=30, size=1) if batches else started


def change_password(user):
    user.set_password("another good password 7")
    user.save()


def deactivate(user):
    user.is_active = False
    user.save()


ACTS = {
    "by filter": (
        Kind.REVOKE_MATCHING,
        lambda alice, sam: revoke_matching(
            selection=Selection(matching=SessionQuery(user=alice.pk, status="active")),
            actor=sam,
            reason="x",
        ),
    ),
    "by names": (
        Kind.REVOKE_MATCHING,
        lambda alice, sam: revoke_matching(
            selection=Selection(users=(alice.pk,)), actor=sam, reason="x"
        ),
    ),
    "by a job": (
        Kind.REVOKE_MATCHING,
        lambda alice, sam: job(Selection(users=(alice.pk,)), sam, batches=True),
    ),
    "user": (
        Kind.REVOKE_USER,
        lambda alice, sam: revoke_user(user=alice, actor=sam, reason="x"),
    ),
    "password": (Kind.PASSWORD_CHANGED, lambda alice, sam: change_password(alice)),
    "deactivated": (Kind.USER_DEACTIVATED, lambda alice, sam: deactivate(alice)),
    "deleted": (Kind.USER_DELETED, lambda alice, sam: alice.delete()),
    "cutoff of a user": (
        Kind.CUTOFF,
        lambda alice, sam: cut_off(user=alice, not_before=timezone.now(), actor=sam, reason="x"),
    ),
    "cutoff": (
        Kind.CUTOFF,
        lambda alice, sam: cut_off(not_before=timezone.now(), actor=None, reason="x"),
    ),
    "cutoff by a job": (
        Kind.CUTOFF,
        lambda alice, sam: job(
            Selection(everybody=True, issued_before=timezone.now()), None, batches=True
        ),
    ),
    "cutoff, job not begun": (
        Kind.CUTOFF,
        lambda alice, sam: job(
            Selection(everybody=True, issued_before=timezone.now()), None, batches=False
        ),
    ),
}


@pytest.mark.parametrize("listed", [1000, 1])
@pytest.mark.parametrize("name", ACTS)
def test_act_is_found_for_each_session_and_user_that_it_ended(
    name, listed, alice, bob, sam, monkeypatch
):
    monkeypatch.setattr(cutoffs, "LISTED", listed)
    kind, act = ACTS[name]
    ended = [open_session(user=alice).session for _ in range(3)]
    before = open_session(user=bob).session
    Session.objects.filter(pk=before.pk).update(revoked_at=timezone.now())
    user = get_user_model().objects.get(pk=alice.pk)
    act(alice, sam)
    after = open_session(user=bob).session
    for session in ended:
        assert of_session(session).count(kind) >= 1, name
    assert of_user(user).count(kind) >= 1
    assert trail(subject=(user.pk, sam.pk)).count(kind) >= 1
    for session in (before, after):
        assert of_session(session) == [Kind.LOGIN]
    assert kind not in of_user(bob)
    assert verify() is None
    seal()
    assert verify() is None


def test_trail_of_a_session_outlives_its_row(alice, sam):
    session = open_session(user=alice).session
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=sam, reason="x")
    Session.objects.all().delete()
    assert of_session(session) == [Kind.LOGIN, Kind.REVOKE_MATCHING]


def test_kept_session_is_not_among_those_that_ended(alice):
    here, *others = [open_session(user=alice).session for _ in range(3)]
    revoke_user(user=alice, actor=alice, reason="elsewhere", keep=here)
    assert of_session(here) == [Kind.LOGIN]
    for session in others:
        assert of_session(session) == [Kind.LOGIN, Kind.REVOKE_USER]


def test_event_keeps_the_filter_as_json_and_in_words(alice, sam):
    open_session(user=alice)
    chosen = Selection(matching=SessionQuery(user=alice.pk, status="active"))
    revoke_matching(selection=chosen, actor=sam, reason="x")
    kept = Event.objects.get(kind=Kind.REVOKE_MATCHING).data["filter"]
    assert kept == {
        "matching": {"list": "sessions", "user": alice.pk, "status": "active"},
        "names": {str(alice.pk): "alice"},
    }
    alice.delete()
    assert words_of(kept) == "sessions with the status “active” of alice"


def test_words_of_a_cutoff_without_superusers():
    at = timezone.now()
    kept = Selection(everybody=True, issued_before=at, spare_superusers=True).for_trail()
    words = words_of(kept)
    assert words.startswith("everyone, issued before ")
    assert words.endswith("without superusers")
    assert words_of({"matching": {"list": "sessions", "unknown": 1}}) == ""


def test_page_shows_the_filter_in_words(auditing, alice, sam):
    open_session(user=alice)
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=sam, reason="x")
    page = auditing.get(f"/staff/events/?subject=%23{alice.pk}").content.decode()
    assert "all of alice" in page
    assert "&#x27;" not in page


@pytest.fixture
def ended(alice, bob, sam):
    """End five sessions at once, seal that, and return the event."""
    for user in (alice, alice, alice, bob, bob):
        open_session(user=user)
    revoke_matching(selection=Selection(users=(alice.pk, bob.pk)), actor=sam, reason="x")
    open_session(user=alice)
    seal()
    assert verify() is None
    return Event.objects.get(kind=Kind.REVOKE_MATCHING)


TAMPERINGS = [
    "DELETE FROM tokens_eventtarget WHERE event_id = {event}",
    "DELETE FROM tokens_eventtarget WHERE event_id = {event} AND number = 3",
    "DELETE FROM tokens_eventtarget WHERE event_id = {event} AND number = 5",
    "UPDATE tokens_eventtarget SET user_id = {other} WHERE event_id = {event} AND number = 2",
    "UPDATE tokens_eventtarget SET user_id = NULL WHERE event_id = {event} AND number = 2",
    "UPDATE tokens_eventtarget SET session_id = NULL WHERE event_id = {event} AND number = 2",
    "UPDATE tokens_eventtarget SET event_id = {event} - 1 WHERE number = 1",
    "UPDATE tokens_eventtarget SET number = 9 WHERE event_id = {event} AND number = 5",
    "INSERT INTO tokens_eventtarget (event_id, number, session_id, user_id) "
    "SELECT event_id, 6, session_id, {other} FROM tokens_eventtarget WHERE number = 1",
    "INSERT INTO tokens_eventtarget (event_id, number, session_id, user_id) "
    "SELECT {event} - 1, 1, session_id, {other} FROM tokens_eventtarget WHERE number = 1",
    "INSERT INTO tokens_eventtarget (event_id, number, session_id, user_id) "
    "SELECT -3, 1, session_id, {other} FROM tokens_eventtarget WHERE number = 1",
]


@pytest.mark.parametrize("statement", TAMPERINGS)
def test_verify_names_an_event_whose_targets_were_changed(statement, ended, sam):
    with unguarded():
        sql(statement.format(event=ended.pk, other=sam.pk))
    found = verify()
    expected = {-3} if "-3" in statement else {ended.pk, ended.pk - 1}
    assert (found.what, found.event in expected) == ("targets", True)


FORGED = (
    "INSERT INTO tokens_eventtarget (event_id, number, session_id, user_id) "
    "SELECT {key}, {number}, session_id, user_id FROM tokens_eventtarget WHERE number = 1"
)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("key", "number"),
    [("'x'", 1), ("''", 1), ("'5 '", 1), ("X'35'", 1), ("{event} - 0.5", 1), ("{event}", "'x'")],
)
def test_verify_finds_a_forged_target_whose_key_is_no_whole_number(key, number, ended):
    """SQLite stores any value in any column."""
    with unguarded():
        sql(FORGED.format(key=key.format(event=ended.pk), number=number))
    assert verify().what == "targets"


@pytest.mark.sqlite
def test_verify_finds_a_target_that_was_moved_to_a_text(ended):
    with unguarded():
        sql("UPDATE tokens_eventtarget SET event_id = 'x' || event_id WHERE number = 5")
    found = [one for one in compare() if isinstance(one, Tampered)]
    assert {(one.what, one.event) for one in found} == {("targets", ended.pk), ("targets", None)}


def test_verify_names_an_event_whose_count_of_repeats_was_changed(alice):
    pair = open_session(user=alice)
    rotate(refresh=pair.refresh)
    for _ in range(2):
        rotate(refresh=pair.refresh)
        rotate(refresh=pair.refresh)
        EventWindow.objects.update(opened_at=timezone.now() - timedelta(minutes=2))
    event = Event.objects.get(kind=Kind.REFRESH_RETRY, data__left_out=1)
    seal()
    assert verify() is None
    for left_out in ('{"left_out": 0}', '{"left_out": "1"}', "{}"):
        with unguarded():
            sql("UPDATE tokens_event SET data = %s WHERE id = %s", left_out, event.pk)
        assert (verify().what, verify().event) == ("changed", event.pk)


@pytest.mark.sqlite
def test_another_spelling_of_a_session_is_a_change(ended):
    with unguarded():
        sql("UPDATE tokens_eventtarget SET session_id = upper(session_id)")
    assert verify().what == "targets"


def test_database_refuses_to_change_targets(ended):
    for statement in ("UPDATE tokens_eventtarget SET number = 9", "DELETE FROM tokens_eventtarget"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            sql(statement)
    assert EventTarget.objects.count() == 5


def test_targets_leave_the_trail_with_their_event(ended, sam):
    list(remove_events(before=timezone.now() + timedelta(days=1), actor=sam, reason="old"))
    assert EventTarget.objects.count() == 0
    assert verify() is None
    with unguarded():
        sql(
            "INSERT INTO tokens_eventtarget (event_id, number, session_id, user_id) "
            "VALUES (%s, 1, NULL, %s)",
            ended.pk,
            sam.pk,
        )
    assert (verify().what, verify().event) == ("targets", ended.pk)


def test_events_with_changed_targets_are_not_purged(ended):
    with unguarded():
        sql("UPDATE tokens_eventtarget SET user_id = NULL")
    with pytest.raises(Tampered, match=f"event {ended.pk}"):
        list(remove_events(before=timezone.now() + timedelta(days=1), actor=None, reason="old"))
    assert EventTarget.objects.count() == 5


def test_command_names_the_event(ended, capsys):
    with unguarded():
        sql("UPDATE tokens_eventtarget SET user_id = NULL")
    with pytest.raises(SystemExit):
        call_command("verify_events", json=True)
    (told,) = json.loads(capsys.readouterr().out)["differences"]
    assert (told["what"], told["event"]) == ("targets", ended.pk)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "filter", "names", "user", "keep", "cutoff", "everybody", "job"]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=14,
)


@given(steps=STEPS, listed=st.sampled_from([1, 1000]))
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_ended_a_session_is_in_its_trail_and_its_users(steps, listed, sam, monkeypatch):
    monkeypatch.setattr(cutoffs, "LISTED", listed)
    users = [get_user_model().objects.create(username=uuid.uuid4().hex) for n in range(3)]
    acts: dict[object, int] = {}
    for act, at in steps:
        user = users[at]
        live = set(Session.objects.filter(revoked_at=None).values_list("pk", flat=True))
        newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        if act == "open":
            for _ in range(at + 1):
                open_session(user=user)
            continue
        _do(act, user, sam)
        left = set(Session.objects.filter(revoked_at=None).values_list("pk", flat=True))
        acts |= dict.fromkeys(live - left, newest)
    for pk, newest in acts.items():
        session = Session.objects.get(pk=pk)
        for query in (EventQuery(session=pk), EventQuery(subject=session.user_id)):
            events = [json.loads(line) for line in export.write_jsonl(query.rows())]
            ends = [e["id"] for e in events if e["id"] > newest and e["kind"] in ENDING]
            listed_ids = {event.pk for event in query.listing().page(size=500).rows}
            assert ends
            assert listed_ids == {event["id"] for event in events}
    seal()
    assert verify() is None


ENDING = {Kind.REVOKE_MATCHING, Kind.REVOKE_USER, Kind.CUTOFF}


@pytest.fixture
def auditing(client, auditor):
    client.force_login(auditor)
    return client


def _do(act, user, sam):
    if act == "filter":
        chosen = Selection(matching=SessionQuery(q=user.username))
        revoke_matching(selection=chosen, actor=None, reason="x")
    elif act == "names":
        revoke_matching(selection=Selection(users=(user.pk,)), actor=None, reason="x")
    elif act == "user":
        revoke_user(user=user, actor=sam, reason="x")
    elif act == "keep":
        session = Session.objects.filter(user=user, revoked_at=None).first()
        if session is not None:
            revoke_user(user=user, actor=user, reason="x", keep=session)
    elif act == "cutoff":
        cut_off(user=user, not_before=timezone.now(), actor=sam, reason="x")
    elif act == "everybody":
        cut_off(not_before=timezone.now(), actor=None, reason="x")
    else:
        selection = Selection(everybody=True, issued_before=timezone.now())
        job(selection, None, batches=True)
