"""A revocation by filter ends what the filter found when it was decided."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from tests.support.database.interleave import held
from tests.support.legacy import legacy_pair
from tests.support.tokens import failed, later, pair_of
from tests.support.users import make_staff
from tokens.listing.sessions import SessionQuery
from tokens.listing.status import live
from tokens.listing.tokens import TokenQuery
from tokens.models import (
    BlacklistedToken,
    Event,
    Kind,
    OutstandingToken,
    RevocationJob,
    RevocationTarget,
    Session,
)
from tokens.origin import Origin, acting_from
from tokens.revocation import (
    Selection,
    preview,
    revoke_in_batches,
    revoke_session,
    start_job,
    work_off,
)
from tokens.sessions.issue import IssuedPair
from tokens.sessions.refresh import rotate

# PostgreSQL is handed all that a login writes in one statement.
LOGIN = ("INSERT", "WITH token AS")
FIREFOX = SessionQuery(device="Firefox")
# Filters by which the list leaves out a session that is refreshed from another device, or whose
# user is renamed.
LEFT = {
    "last use": lambda now: SessionQuery(used_before=now),
    "device": lambda now: FIREFOX,
    "last use of the session": lambda now: TokenQuery(used_before=now),
    "device of the session": lambda now: TokenQuery(device="Firefox"),
    "time of issue": lambda now: TokenQuery(issued_before=now),
    "name": lambda now: SessionQuery(q="alice", status="active"),
}


@contextmanager
def using(device):
    with acting_from(Origin(ip="198.51.100.7", user_agent=device, client="web")):
        yield


def logins(user, number, *, device="Firefox"):
    with using(device), later(minutes=-5):
        return [pair_of(user) for _ in range(number)]


def begin(query, actor) -> RevocationJob:
    selection = Selection(matching=query)
    found = preview(selection=selection)
    return start_job(selection=selection, found=found, actor=actor, reason="leak")


def finish(job, size=2) -> RevocationJob:
    job = work_off(job=job, seconds=30, size=size)
    assert job.finished_at is not None
    assert not RevocationTarget.objects.filter(job=job.pk).exists()
    return job


def in_a_job(query, actor, change) -> None:
    job = begin(query, actor)
    change()
    finish(job)


def at_once(query, actor, change) -> None:
    selection = Selection(matching=query)
    batches = revoke_in_batches(selection=selection, actor=actor, reason="leak", size=1)
    next(batches)
    change()
    list(batches)


def ended(*pairs) -> list[bool]:
    return [not live(Session.objects.filter(pk=pair.session.pk)).exists() for pair in pairs]


def still_live() -> set:
    return set(Session.objects.filter(revoked_at=None).values_list("pk", flat=True))


@pytest.mark.parametrize("act", [in_a_job, at_once])
@pytest.mark.parametrize("name", LEFT)
def test_session_that_stops_matching_after_the_decision_ends(act, name, sam, alice) -> None:
    pairs = logins(alice, 3)
    query = LEFT[name](timezone.now() - timedelta(minutes=1))
    successors: list[IssuedPair] = []

    def leave_the_list() -> None:
        with using("Chrome"):
            left = [pair for pair in pairs if failed(pair.refresh) is None]
            successors.extend(rotate(refresh=pair.refresh) for pair in left)
        alice.username = "renamed"
        alice.save()

    act(query, sam, leave_the_list)
    assert len(successors) >= 2
    assert all(ended(*pairs, *successors))


@pytest.mark.parametrize("act", [in_a_job, at_once])
def test_session_that_starts_matching_after_the_decision_stays(act, sam, alice, bob) -> None:
    chosen = logins(alice, 2)
    others = logins(bob, 2, device="Chrome")

    def join_the_list() -> None:
        with using("Firefox"):
            others.extend(rotate(refresh=pair.refresh) for pair in others[:2])
            others.append(pair_of(alice))

    act(FIREFOX, sam, join_the_list)
    assert ended(*chosen) == [True, True]
    assert ended(*others[2:]) == [False, False, False]


def test_job_counts_what_it_listed_and_ends_it_in_batches(sam, alice) -> None:
    logins(alice, 5)
    logins(alice, 1, device="Chrome")
    job = begin(FIREFOX, sam)
    assert (job.listed, job.expected, job.position, job.percent) == (5, 5, 0, 0)
    job = work_off(job=job, seconds=0, size=2)
    assert (job.position, job.sessions, job.percent) == (2, 2, 40)
    assert RevocationTarget.objects.filter(job=job.pk).count() == 3
    job = finish(job)
    assert (job.sessions, job.tokens, job.percent) == (5, 5, 100)
    filters = Event.objects.filter(kind=Kind.REVOKE_MATCHING).values_list("data__filter", flat=True)
    assert list(filters) == [job.selection] * 3


def test_job_that_is_killed_within_a_batch_ends_each_session_once(sam, alice) -> None:
    logins(alice, 5)
    job = begin(FIREFOX, sam)

    def die(execute, sql, params, many, context):
        if sql.startswith("DELETE"):
            raise DatabaseError("the server was killed")
        return execute(sql, params, many, context)

    work_off(job=job, seconds=0, size=2)
    with connection.execute_wrapper(die), pytest.raises(DatabaseError):
        work_off(job=job, seconds=30, size=2)
    assert len(still_live()) == 3
    job = finish(job)
    counts = Event.objects.filter(kind=Kind.REVOKE_MATCHING).values_list("count", flat=True)
    assert (job.sessions, sum(counts), BlacklistedToken.objects.count()) == (5, 5, 5)


def test_overlapping_jobs_end_each_session_once(sam, alice, bob) -> None:
    logins(alice, 3)
    logins(alice, 2, device="Chrome")
    logins(bob, 2)
    by_device, by_user = begin(FIREFOX, sam), begin(SessionQuery(user=alice.pk), sam)
    while by_device.finished_at is None or by_user.finished_at is None:
        by_device = work_off(job=by_device, seconds=0, size=1)
        by_user = work_off(job=by_user, seconds=0, size=1)
    assert (by_device.listed, by_user.listed) == (5, 5)
    assert by_device.sessions + by_user.sessions == 7
    events = Event.objects.filter(kind=Kind.REVOKE_MATCHING)
    assert sum(events.values_list("count", flat=True)) == 7
    assert still_live() == set()


def test_deleted_job_leaves_the_rest_alone(sam, alice) -> None:
    logins(alice, 3)
    job = work_off(job=begin(FIREFOX, sam), seconds=0, size=1)
    job.delete()
    assert not RevocationTarget.objects.exists()
    assert len(still_live()) == 2


def test_session_that_ended_since_the_decision_is_not_ended_again(sam, alice) -> None:
    first, second = logins(alice, 2)
    job = begin(FIREFOX, sam)
    revoke_session(session=first.session, actor=alice, reason="mine")
    assert (finish(job).sessions, job.expected) == (1, 2)
    reasons = dict(Session.objects.values_list("pk", "revoke_reason"))
    assert reasons == {first.session.pk: "mine", second.session.pk: "leak"}


def test_session_of_a_user_who_became_a_superuser_stays_without_the_permission(alice) -> None:
    (pair,) = logins(alice, 1)
    job = begin(FIREFOX, make_staff("rita", "revoke_token"))
    assert job.expected == 1
    alice.is_superuser = True
    alice.save()
    assert finish(job).sessions == 0
    assert ended(pair) == [False]


def test_same_form_twice_makes_one_job_unless_more_sessions_match(sam, alice, bob) -> None:
    logins(alice, 3)
    (other,) = logins(bob, 1, device="Chrome")
    first = begin(FIREFOX, sam)
    assert begin(FIREFOX, sam) == first
    work_off(job=first, seconds=0, size=1)
    assert begin(FIREFOX, sam) == first
    with using("Firefox"):
        rotate(refresh=other.refresh)
    second = begin(FIREFOX, sam)
    assert second != first
    assert (second.listed, finish(second).sessions, finish(first).sessions) == (3, 3, 1)


def test_job_of_an_earlier_release_lists_the_rest_at_its_next_batch(sam, alice) -> None:
    pairs = logins(alice, 3)
    job = begin(FIREFOX, sam)
    RevocationTarget.objects.all().delete()
    RevocationJob.objects.update(listed=None)
    with using("Firefox"):
        new = pair_of(alice)
    job = work_off(job=job, seconds=0, size=2)
    assert (job.listed, job.expected, job.sessions) == (3, 3, 2)
    with using("Chrome"):
        for pair in pairs:
            if failed(pair.refresh) is None:
                rotate(refresh=pair.refresh)
    finish(job)
    assert ended(*pairs, new) == [True, True, True, False]


@pytest.mark.parametrize("act", [in_a_job, at_once])
def test_legacy_token_that_is_refreshed_after_the_decision_ends(act, sam, alice, settings) -> None:
    settings.LEGACY_UNTIL = None
    tokens = [legacy_pair(alice) for _ in range(3)]
    new = []

    def refresh_one() -> None:
        left = [one for one in tokens if failed(one.refresh) is None]
        new.append(rotate(refresh=left[-1].refresh))
        tokens.append(legacy_pair(alice))

    act(TokenQuery(status="active"), sam, refresh_one)
    assert ended(*new) == [True]
    assert [failed(one.refresh) is None for one in tokens] == [False, False, False, True]


def test_job_of_legacy_tokens_alone_shows_its_progress(sam, alice, settings) -> None:
    settings.LEGACY_UNTIL = None
    for _ in range(4):
        legacy_pair(alice)
    job = work_off(job=begin(TokenQuery(user=alice.pk), sam), seconds=0, size=1)
    assert (job.listed, job.expected, job.tokens, job.percent) == (4, 0, 1, 25)
    assert finish(job).tokens == 4


def test_purged_token_among_the_targets_is_skipped(sam, alice, settings) -> None:
    settings.LEGACY_UNTIL = None
    first, second = legacy_pair(alice), legacy_pair(alice)
    job = begin(TokenQuery(user=alice.pk), sam)
    OutstandingToken.objects.filter(jti=first.jti).delete()
    assert finish(job, size=1).tokens == 1
    assert failed(second.refresh) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at", ["INSERT", "UPDATE", "SELECT"])
def test_batch_ends_the_session_of_a_legacy_token_that_is_being_refreshed(
    at, sam, alice, settings
) -> None:
    settings.LEGACY_UNTIL = None
    old = legacy_pair(alice)
    job = begin(TokenQuery(user=alice.pk), sam)
    refreshed, worked = held(lambda: rotate(refresh=old.refresh), lambda: finish(job), at=at)
    assert not isinstance(worked, Exception)
    assert isinstance(refreshed, Exception) or ended(refreshed) == [True]
    assert failed(old.refresh) is not None


@pytest.mark.django_db(transaction=True)
def test_job_beats_a_login_in_flight_of_the_account_that_its_filter_names(sam, alice) -> None:
    logins(alice, 2)
    new, job = held(
        lambda: pair_of(alice),
        lambda: begin(SessionQuery(user=alice.pk), sam),
        at=("INSERT", "WITH token AS"),
    )
    finish(job)
    assert ended(new) == [True]
