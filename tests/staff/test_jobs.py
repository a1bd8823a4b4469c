"""A long revocation on its page: begun after the review, left, found again, finished."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import JSONField, Value
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.support.legacy import legacy_pair
from tests.support.users import make_staff
from tokens.listing.sessions import SessionQuery
from tokens.models import Event, Kind, RevocationJob, Session
from tokens.revocation import Selection, preview, reviews, start_job
from tokens.sessions.issue import open_session
from tokens.staff import jobs, revoke

HTMX = {"HX-Request": "true"}
REASON = {"reason": "suspected theft", "typed": "3"}


@pytest.fixture
def many(monkeypatch, alice, bob) -> None:
    """Three sessions, where more than two take long."""
    monkeypatch.setattr(revoke, "LONG", 2)
    for user in (alice, alice, bob):
        open_session(user=user)


@pytest.fixture
def job(sam, alice) -> RevocationJob:
    open_session(user=alice)
    selection = Selection(users=(alice.pk,), issued_before=timezone.now())
    return start_job(
        selection=selection, found=preview(selection=selection), actor=sam, reason="lost device"
    )


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


def everybody() -> str:
    now = timezone.now().isoformat().replace("+00:00", "Z")
    return f"/staff/revoke/?everybody=1&before={now}"


def test_many_are_begun_and_the_browser_is_taken_to_their_page(client, sam, many) -> None:
    client.force_login(sam)
    answer = client.post(everybody(), REASON)
    job = RevocationJob.objects.get()
    assert answer["Location"] == f"/staff/revoke/{job.pk}/"
    assert (job.actor, job.reason, job.expected, live()) == (sam, "suspected theft", 3, 3)


def test_htmx_is_taken_there_too(client, sam, many) -> None:
    client.force_login(sam)
    answer = client.post(everybody(), REASON, headers=HTMX)
    assert answer["HX-Redirect"] == f"/staff/revoke/{RevocationJob.objects.get().pk}/"


def test_the_review_says_so_beforehand(client, sam, many) -> None:
    client.force_login(sam)
    address = "/staff/revoke/?matching=sessions&issued_after=2001-01-01"
    assert "revoked in batches" in client.get(address).content.decode()
    assert "revoked in batches" not in client.get(everybody()).content.decode()


@pytest.mark.parametrize("face", ["staff", "admin"])
def test_many_legacy_tokens_are_a_job_too(
    client, sam, many, face, bob, settings, monkeypatch
) -> None:
    settings.LEGACY_UNTIL = None
    Session.objects.update(revoked_at=timezone.now())
    for _ in range(3):
        legacy_pair(bob)
    client.force_login(sam)
    if face == "staff":
        address = f"/staff/revoke/?matching=tokens&user={bob.pk}"
        assert "revoked in batches" in client.get(address).text
        answer = client.post(address, REASON)
    else:
        monkeypatch.setattr("tokens.admin.revoking.LONG", 2)
        address = reverse("admin:token_blacklist_outstandingtoken_matching")
        answer = client.post(f"{address}?user=bob", {"reason": "leak", "confirm": "1"})
    job = RevocationJob.objects.get()
    assert answer["Location"] == f"/staff/revoke/{job.pk}/"
    page = client.get(answer["Location"]).text
    assert "tokens revoked" not in page
    last = client.post(answer["Location"], headers=HTMX)
    said = json.loads(last["HX-Trigger"])["portal:notice"]["message"]
    assert said == "Finished: revoked 3 tokens."
    assert "tokens revoked" in last.text


def test_a_review_that_stopped_counting_says_more_than(client, sam, many, monkeypatch) -> None:
    monkeypatch.setattr(reviews, "CAP", 2)
    monkeypatch.setattr(revoke, "LONG", 1)
    client.force_login(sam)
    review = client.get(everybody()).content.decode()
    assert "This revokes more than 2 sessions" in review
    assert "Revoke all" in review
    client.post(everybody(), {**REASON, "typed": "2"})
    assert RevocationJob.objects.get().expected == 3


def test_looking_at_it_does_nothing(client: Client, revoker: User, job) -> None:
    client.force_login(revoker)
    page = client.get(f"/staff/revoke/{job.pk}/").content.decode()
    assert "In progress" in page
    assert "Continue" in page
    assert live() == 1


def test_a_colleague_finishes_it_with_a_press(client: Client, revoker: User, job) -> None:
    client.force_login(revoker)
    answer = client.post(f"/staff/revoke/{job.pk}/", follow=True)
    assert "Finished" in answer.content.decode()
    assert "hx-post" not in answer.content.decode().partition('id="job"')[2]
    assert live() == 0
    assert Session.objects.get().revoked_by == job.actor


def test_each_poll_is_a_stretch_of_work(client: Client, revoker: User, job, monkeypatch) -> None:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0)
    client.force_login(revoker)
    first = client.post(f"/staff/revoke/{job.pk}/", headers=HTMX)
    assert b"<html" not in first.content
    assert (live(), "HX-Trigger" in first) == (0, False)
    last = client.post(f"/staff/revoke/{job.pk}/", headers=HTMX)
    said = json.loads(last["HX-Trigger"])["portal:notice"]["message"]
    assert said == "Finished: revoked 1 session."
    again = client.post(f"/staff/revoke/{job.pk}/", headers=HTMX)
    assert (again.status_code, "HX-Trigger" in again) == (200, False)


def test_it_is_found_again_on_the_overview(client: Client, revoker: User, viewer, job) -> None:
    client.force_login(revoker)
    assert f"/staff/revoke/{job.pk}/" in client.get("/staff/").content.decode()
    client.force_login(viewer)
    assert f"/staff/revoke/{job.pk}/" not in client.get("/staff/").content.decode()


def test_only_who_may_revoke_sees_or_works_on_it(client: Client, viewer, auditor, job) -> None:
    for person in (viewer, auditor):
        client.force_login(person)
        assert client.get(f"/staff/revoke/{job.pk}/").status_code == 403
        assert client.post(f"/staff/revoke/{job.pk}/").status_code == 403
    assert live() == 1


def test_staff_who_may_not_view_sessions_read_only_what_they_decided(
    client: Client, alice, job
) -> None:
    half, decider = make_staff("half", "revoke_token"), make_staff("decider", "revoke_token")
    RevocationJob.objects.update(actor=decider)
    client.force_login(half)
    for method in (client.get, client.post):
        assert method(f"/staff/revoke/{job.pk}/").status_code == 403
    assert f"/staff/revoke/{job.pk}/" not in client.get("/staff/").text
    assert live() == 1
    client.force_login(decider)
    assert f"/staff/revoke/{job.pk}/" in client.get("/staff/").text
    page = client.get(f"/staff/revoke/{job.pk}/")
    assert page.status_code == 200
    assert "alice" not in page.text


def test_reading_a_job_is_recorded(client: Client, revoker: User, job) -> None:
    client.force_login(revoker)
    client.get(f"/staff/revoke/{job.pk}/")
    event = Event.objects.get(kind=Kind.CLAIMS_VIEWED)
    assert (event.actor, event.data) == (revoker, {"job": job.pk, "review": job.selection})
    client.post(f"/staff/revoke/{job.pk}/", headers=HTMX)
    assert Event.objects.filter(kind=Kind.CLAIMS_VIEWED).count() == 1


def test_everybodys_wants_the_permission_for_that(client: Client, revoker, sam, many) -> None:
    client.force_login(sam)
    client.post(everybody(), REASON)
    client.force_login(revoker)
    assert client.post(f"/staff/revoke/{RevocationJob.objects.get().pk}/").status_code == 403


def test_the_page_of_a_job_shows_what_was_decided(client: Client, revoker: User, job) -> None:
    client.force_login(revoker)
    page = client.get(f"/staff/revoke/{job.pk}/").content.decode()
    for said in ("lost device", "alice", "sam", "before 20"):
        assert said in page


def test_one_that_is_not_there(client: Client, revoker: User) -> None:
    client.force_login(revoker)
    assert client.get("/staff/revoke/99/").status_code == 404


def test_job_that_reaches_everybody_needs_the_permission_however_it_is_spelled(
    client: Client, revoker: User, sam, many
) -> None:
    later = timezone.now() + timedelta(days=400)
    selection = Selection(matching=SessionQuery(issued_before=later))
    found = preview(selection=selection)
    job = start_job(selection=selection, found=found, actor=sam, reason="leak")
    client.force_login(revoker)
    assert client.post(f"/staff/revoke/{job.pk}/").status_code == 403
    assert live() == 3
    client.force_login(sam)
    assert client.post(f"/staff/revoke/{job.pk}/").status_code == 302
    assert live() == 0
    client.force_login(revoker)
    assert client.get(f"/staff/revoke/{job.pk}/").status_code == 403


@pytest.mark.parametrize("decided_by", ["sam", "revoker"])
def test_job_reaches_the_same_if_a_colleague_continues_it(
    client: Client, revoker: User, sam, many, decided_by
) -> None:
    """Only the superuser who decides may reach the sessions of superusers."""
    open_session(user=sam)
    decider, other = (sam, revoker) if decided_by == "sam" else (revoker, sam)
    selection = Selection(users=tuple(User.objects.values_list("pk", flat=True)))
    found = preview(selection=selection)
    job = start_job(selection=selection, found=found, actor=decider, reason="leak")
    RevocationJob.objects.update(reaches_everybody=False)
    client.force_login(other)
    client.post(f"/staff/revoke/{job.pk}/")
    left = set(Session.objects.filter(revoked_at=None).values_list("user", flat=True))
    assert left == (set() if decided_by == "sam" else {sam.pk})
    events = Event.objects.filter(kind=Kind.REVOKE_MATCHING)
    assert {event.actor for event in events} == {decider}
    assert {event.data["continued_by"] for event in events} == {other.username}


MALFORMED = [
    [], 5, "x", None, [{}], {"users": ["x"]}, {"users": "12"}, {"users": [True]}, {"users": [1.5]},
    {"users": ["9" * 30]}, {"jtis": "abc"}, {"jtis": [5]}, {"sessions": ["x"]}, {"sessions": 5},
    {"everybody": "x"}, {"everybody": 1}, {"spare_superusers": []}, {"other": True},
    {"issued_before": "x"}, {"issued_before": 5}, {"issued_before": "2026-01-01"},
    {"issued_before": "9999-12-31T23:59:59-14:00"}, {"matching": 5}, {"matching": {"list": "x"}},
    {"matching": {"list": "sessions", "other": "x"}}, {"matching": {"list": []}},
    {"matching": {"list": "sessions", "q": 5}}, {"matching": {"list": "sessions", "q": ["x"]}},
    {"matching": {"list": "sessions", "status": "x"}}, {"matching": {"list": "tokens", "user": {}}},
]  # fmt: skip


@pytest.mark.parametrize("stored", MALFORMED, ids=json.dumps)
def test_job_that_the_portal_did_not_write_is_named_and_ends_nothing(client, sam, job, stored):
    unwritten = RevocationJob.objects.create(
        selection=stored if stored is not None else Value(None, JSONField()),
        reason="x", actor=sam, expected=1, people=1, created_at=job.created_at,
    )  # fmt: skip
    client.force_login(sam)
    assert b"unreadable" in client.get("/staff/").content
    address = f"/staff/revoke/{unwritten.pk}/"
    for answer in (client.get(address), client.get(address, headers=HTMX)):
        assert answer.status_code == 200
        assert b"did not write this revocation" in answer.content
        assert b"hx-trigger" not in answer.content
    assert client.post(address, headers=HTMX).status_code == 200
    assert client.post(address).status_code == 302
    assert live() == 1
    with pytest.raises(CommandError, match=rf"were left out: {unwritten.pk}$"):
        call_command("revoke_tokens", resume=True)
    assert live() == 0
    assert RevocationJob.objects.get(pk=unwritten.pk).finished_at is None
