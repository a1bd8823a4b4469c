"""Long revocations: decided once, worked off by anybody, never twice."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from tests.support.users import make_user
from tokens import revocation
from tokens.listing.events import EventQuery
from tokens.listing.jobs import unfinished_jobs
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import (
    BlacklistedToken,
    Cutoff,
    Event,
    Kind,
    OutstandingToken,
    RevocationJob,
    Session,
)
from tokens.revocation import (
    Selection,
    cut_off,
    cutoffs,
    preview,
    revoke_matching,
    start_job,
    work_off,
)
from tokens.revocation.jobs import cutoff_of
from tokens.revocation.reviews import count_all
from tokens.sessions.issue import open_session


def begin(selection: Selection, actor) -> RevocationJob:
    return start_job(
        selection=selection, found=preview(selection=selection), actor=actor, reason="lost device"
    )


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


def test_starting_a_job_ends_nothing_and_running_it_ends_all(sam, alice, bob) -> None:
    for user in (alice, alice, bob):
        open_session(user=user)
    job = begin(Selection(users=(alice.pk, bob.pk)), sam)
    assert (live(), job.expected, job.people, job.percent) == (3, 3, 2, 0)
    job = work_off(job=job, seconds=30, size=2)
    assert job.finished_at is not None
    assert (live(), job.sessions, job.tokens, job.percent) == (0, 3, 3, 100)
    assert BlacklistedToken.objects.count() == 3
    events = Event.objects.filter(kind=Kind.REVOKE_MATCHING).order_by("pk")
    assert [(e.actor, e.count, e.data["job"]) for e in events] == [
        (sam, 2, job.pk),
        (sam, 1, job.pk),
    ]
    assert {event.reason for event in events} == {"lost device"}


def test_job_continues_after_an_interruption(sam, alice) -> None:
    for _ in range(5):
        open_session(user=alice)
    job = begin(Selection(users=(alice.pk,)), sam)
    job = work_off(job=job, seconds=0, size=2)
    assert (job.sessions, live(), job.finished_at) == (2, 3, None)
    assert list(unfinished_jobs()) == [job]
    work_off(job=job, seconds=30, size=2)
    assert (live(), list(unfinished_jobs())) == (0, [])


def test_running_a_finished_job_changes_nothing(sam, alice) -> None:
    open_session(user=alice)
    job = work_off(job=begin(Selection(users=(alice.pk,)), sam), seconds=30)
    again = open_session(user=alice).session
    assert work_off(job=job, seconds=30).finished_at == job.finished_at
    assert list(Session.objects.filter(revoked_at=None)) == [again]


def test_session_opened_after_the_start_of_a_job_stays(sam, alice) -> None:
    open_session(user=alice)
    job = begin(Selection(users=(alice.pk,)), sam)
    again = open_session(user=alice).session
    work_off(job=job, seconds=30)
    assert list(Session.objects.filter(revoked_at=None)) == [again]


def test_starting_the_same_job_twice_makes_one_job(sam, alice) -> None:
    open_session(user=alice)
    selection = Selection(users=(alice.pk,), issued_before=timezone.now())
    assert begin(selection, sam) == begin(selection, sam)
    assert RevocationJob.objects.count() == 1


def test_job_for_everybody_refuses_all_tokens_before_its_first_batch(sam, alice, bob) -> None:
    for user in (alice, bob):
        open_session(user=user)
    job = begin(Selection(everybody=True, issued_before=timezone.now()), sam)
    assert Cutoff.objects.get().user is None
    assert Event.objects.get(kind=Kind.CUTOFF).count == 2
    assert live() == 2
    work_off(job=job, seconds=30, size=1)
    assert (live(), BlacklistedToken.objects.count()) == (0, 2)
    assert not Event.objects.filter(kind=Kind.REVOKE_MATCHING).exists()


def test_stored_selection_is_read_back_unchanged(sam, alice) -> None:
    now = timezone.now()
    selection = Selection(
        jtis=("a", "b"),
        sessions=(open_session(user=alice).session.pk,),
        users=(alice.pk,),
        matching=TokenQuery(
            ip="10.0.0.1",
            client="web",
            device="Firefox",
            user=alice.pk,
            issued_after=now - timedelta(days=1),
            expires_before=now,
        ),
    )
    stored = begin(selection, sam)
    stored.refresh_from_db()
    assert Selection.from_json(stored.selection) == selection


def test_job_of_an_earlier_release_selects_the_same_sessions(alice) -> None:
    now = timezone.now()
    named = {"users": [str(alice.pk)], "jtis": ["a"], "issued_before": now.isoformat()}
    conditions = {"ip": "10.0.0.1", "user_agent": "Firefox", "used_after": now.isoformat()}
    expected = Selection(users=(alice.pk,), jtis=("a",), issued_before=now)
    assert Selection.from_json(named) == expected
    query = SessionQuery(ip="10.0.0.1", device="Firefox", used_after=now)
    assert Selection.from_json(named | conditions) == replace(expected, matching=query)
    of_token = {"token_expires_before": now.isoformat()}
    tokens = TokenQuery(expires_before=now)
    assert Selection.from_json(of_token) == Selection(matching=tokens)
    with pytest.raises(ValueError, match="ranges of tokens and of sessions"):
        Selection.from_json(of_token | {"expires_after": now.isoformat()})


def test_revoke_tokens_command_finishes_an_interrupted_job(sam, alice, capsys) -> None:
    for _ in range(3):
        open_session(user=alice)
    work_off(job=begin(Selection(users=(alice.pk,)), sam), seconds=0, size=1)
    call_command("revoke_tokens", "--resume", "--json")
    assert json.loads(capsys.readouterr().out) == {"jobs": 1, "tokens": 2, "sessions": 2}
    assert live() == 0


def foreign(user, number, *, created) -> OutstandingToken:
    return OutstandingToken.objects.create(
        user=user,
        jti=f"foreign-{number}",
        token="h.p.",
        created_at=created,
        expires_at=timezone.now() + timedelta(days=3),
    )


SELECTIONS = {
    "everybody": lambda of: Selection(everybody=True, issued_before=timezone.now()),
    "everybody but superusers": lambda of: Selection(
        everybody=True, issued_before=timezone.now(), spare_superusers=True
    ),
    "several users": lambda of: Selection(users=tuple(user.pk for user in of)),
    "tokens by filter": lambda of: Selection(matching=TokenQuery(status="active")),
    "tokens of a user": lambda of: Selection(matching=TokenQuery(user=of[0].pk)),
    "tokens by time": lambda of: Selection(matching=TokenQuery(issued_before=timezone.now())),
    "tokens by name": lambda of: Selection(jtis=("foreign-0", "foreign-1", "foreign-2")),
}

# How many of four tokens without a session end, if not all of them.
ENDED = {"tokens of a user": 2, "tokens by time": 2, "tokens by name": 3}


@pytest.mark.parametrize("in_a_job", [True, False])
@pytest.mark.parametrize(
    ("name", "listed"), [("everybody", 1), *((name, 1000) for name in SELECTIONS)]
)
def test_tokens_without_a_session_end_as_the_review_counts_them(
    name, listed, in_a_job, sam, alice, bob, settings, monkeypatch
) -> None:
    settings.LEGACY_UNTIL = None
    monkeypatch.setattr(cutoffs, "LISTED", listed)
    before = timezone.now() - timedelta(minutes=1)
    for user in (alice, alice, bob):
        open_session(user=user)
    rows = [
        foreign(user, number, created=created)
        for number, (user, created) in enumerate(
            [(alice, before), (alice, None), (bob, before), (bob, None)]
        )
    ]
    selection = SELECTIONS[name]((alice, bob))
    found = preview(selection=selection)
    if in_a_job:
        ended = work_off(job=begin(selection, sam), seconds=30, size=2)
        assert (ended.expected, ended.people) == (found.sessions, found.users)
    elif cutoff_of(selection) is not None:
        ended = cut_off(not_before=selection.issued_before, actor=sam, reason="lost device")
    else:
        ended = revoke_matching(selection=selection, actor=sam, reason="lost device")
    assert (ended.tokens, ended.sessions) == (found.tokens, found.sessions)
    assert not preview(selection=selection)
    ends = [row for row in rows if BlacklistedToken.objects.filter(token=row).exists()]
    assert len(ends) == ENDED.get(name, 4)
    for user in {row.user for row in ends}:
        kinds = EventQuery(subject=user.pk).rows().values_list("kind", flat=True)
        assert {Kind.REVOKE_MATCHING, Kind.CUTOFF} & {*kinds}


def test_review_counts_the_owners_of_tokens_without_a_session(sam, alice, bob, settings) -> None:
    settings.LEGACY_UNTIL = None
    for number, user in enumerate((alice, alice, bob)):
        foreign(user, number, created=timezone.now())
    selection = Selection(matching=TokenQuery(status="active"))
    for found in (preview(selection=selection), count_all(selection=selection)):
        assert (found.tokens, found.sessions, found.users) == (3, 0, 2)
    assert revoke_matching(selection=selection, actor=sam, reason="x").users == 2


def test_second_decision_reaches_what_was_opened_since_the_first(sam, alice) -> None:
    open_session(user=alice)
    selection = Selection(users=(alice.pk,))
    first = begin(selection, sam)
    assert begin(selection, sam) == first
    open_session(user=alice)
    second = begin(selection, sam)
    assert second != first
    work_off(job=second, seconds=30)
    assert live() == 0


def test_job_belongs_to_the_person_who_decided_it(sam, alice) -> None:
    """A job that a colleague has begun names the colleague, so it is no answer to a decision."""
    other = make_user("other", is_staff=True, is_superuser=True)
    open_session(user=alice)
    selection = Selection(users=(alice.pk,))
    first = begin(selection, other)
    second = begin(selection, sam)
    assert (first.actor, second.actor) == (other, sam)
    for job in (second, first):
        assert work_off(job=job, seconds=30).finished_at is not None
    assert Session.objects.get().revoked_by == sam


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_second_worker_leaves_a_job_to_the_first(sam, alice) -> None:
    open_session(user=alice)
    job = begin(Selection(users=(alice.pk,)), sam)
    seen = []

    def second() -> None:
        seen.append(work_off(job=job, seconds=5))
        connections.close_all()

    with transaction.atomic():
        RevocationJob.objects.select_for_update().get(pk=job.pk)
        worker = threading.Thread(target=second)
        worker.start()
        worker.join(timeout=20)
    assert [(found.sessions, found.finished_at) for found in seen] == [(0, None)]
    assert revocation.work_off(job=job, seconds=5).sessions == 1
