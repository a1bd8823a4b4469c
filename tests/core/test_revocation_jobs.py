"""Long revocations: decided once, worked off by anybody, never twice."""

import json
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from tokens import revocation
from tokens.issuing import open_session
from tokens.models import BlacklistedToken, Cutoff, Event, Kind, RevocationJob, Session
from tokens.revocation import Selection, preview, start_job, work_off
from tokens.selectors.jobs import unfinished_jobs


def begin(selection: Selection, actor) -> RevocationJob:
    return start_job(
        selection=selection, found=preview(selection=selection), actor=actor, reason="lost device"
    )


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


def test_deciding_ends_nothing_and_working_ends_all(sam, alice, bob) -> None:
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


def test_it_goes_on_where_it_was_left(sam, alice) -> None:
    for _ in range(5):
        open_session(user=alice)
    job = begin(Selection(users=(alice.pk,)), sam)
    job = work_off(job=job, seconds=0, size=2)
    assert (job.sessions, live(), job.finished_at) == (2, 3, None)
    assert list(unfinished_jobs()) == [job]
    work_off(job=job, seconds=30, size=2)
    assert (live(), list(unfinished_jobs())) == (0, [])


def test_working_on_a_finished_one_changes_nothing(sam, alice) -> None:
    open_session(user=alice)
    job = work_off(job=begin(Selection(users=(alice.pk,)), sam), seconds=30)
    again = open_session(user=alice).session
    assert work_off(job=job, seconds=30).finished_at == job.finished_at
    assert list(Session.objects.filter(revoked_at=None)) == [again]


def test_who_logs_in_after_the_decision_stays(sam, alice) -> None:
    open_session(user=alice)
    job = begin(Selection(users=(alice.pk,)), sam)
    again = open_session(user=alice).session
    work_off(job=job, seconds=30)
    assert list(Session.objects.filter(revoked_at=None)) == [again]


def test_deciding_twice_is_one_job(sam, alice) -> None:
    open_session(user=alice)
    selection = Selection(users=(alice.pk,), issued_before=timezone.now())
    assert begin(selection, sam) == begin(selection, sam)
    assert RevocationJob.objects.count() == 1


def test_everybody_is_out_before_the_first_batch(sam, alice, bob) -> None:
    for user in (alice, bob):
        open_session(user=user)
    job = begin(Selection(everybody=True, issued_before=timezone.now()), sam)
    assert Cutoff.objects.get().user is None
    assert Event.objects.get(kind=Kind.CUTOFF).count == 2
    assert live() == 2
    work_off(job=job, seconds=30, size=1)
    assert (live(), BlacklistedToken.objects.count()) == (0, 2)
    assert not Event.objects.filter(kind=Kind.REVOKE_MATCHING).exists()


def test_a_selection_comes_back_from_its_row_as_it_was(sam, alice) -> None:
    now = timezone.now()
    selection = Selection(
        jtis=("a", "b"),
        sessions=(open_session(user=alice).session.pk,),
        users=(alice.pk,),
        ip="10.0.0.1",
        client="web",
        user_agent="Firefox",
        issued_after=now - timedelta(days=1),
        token_expires_before=now,
    )
    stored = begin(selection, sam)
    stored.refresh_from_db()
    assert Selection.from_json(stored.selection) == selection


def test_the_command_finishes_what_was_left(sam, alice, capsys) -> None:
    for _ in range(3):
        open_session(user=alice)
    work_off(job=begin(Selection(users=(alice.pk,)), sam), seconds=0, size=1)
    call_command("revoke_tokens", "--resume", "--json")
    assert json.loads(capsys.readouterr().out) == {"jobs": 1, "tokens": 2, "sessions": 2}
    assert live() == 0


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_second_worker_leaves_it_to_the_first(sam, alice) -> None:
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
