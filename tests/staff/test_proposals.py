"""A revocation with a long reach is proposed by one person and approved by another."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connections
from django.test import Client

from tests.support.legacy import legacy_pair
from tests.support.tokens import later
from tests.support.users import PASSWORD, make_staff
from tokens.db import clock
from tokens.models import Cutoff, Event, Kind, Proposal, RevocationTarget, Session
from tokens.revocation import Selection, preview, proposals, propose
from tokens.sessions.issue import open_session
from tokens.validation.browser import PROVED_UNTIL
from tokens.web import second_step

pytestmark = pytest.mark.django_db
DESK = ("view_outstandingtoken", "view_session", "revoke_token")
REASON = {"reason": "lost device"}
WAITS = "Another person has to approve this."


@pytest.fixture(autouse=True)
def two_person_rule(settings):
    settings.TWO_PERSON_OVER = 2


@pytest.fixture
def ann() -> User:
    return make_staff("ann", *DESK)


@pytest.fixture
def ben() -> User:
    return make_staff("ben", *DESK)


@pytest.fixture
def crowd() -> User:
    """Make a user whose sessions are far from everybody's."""
    user = User.objects.create_user("crowd", password=PASSWORD)
    for _ in range(40):
        open_session(user=user)
    return user


@pytest.fixture
def three(alice, crowd) -> list[Session]:
    return [open_session(user=alice).session for _ in range(3)]


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def live(user: User) -> int:
    return Session.objects.filter(user=user, revoked_at=None).count()


def proposed_by(user: User, query: str, **form: str) -> Proposal:
    answer = browser_of(user).post(f"/staff/revoke/?{query}", {**REASON, **form})
    proposal = Proposal.objects.latest("pk")
    assert answer["Location"] == page_of(proposal)
    return proposal


def page_of(proposal: Proposal) -> str:
    return f"/staff/proposals/{proposal.pk}/"


def decide(user: User, proposal: Proposal, act: str = "approve"):
    return browser_of(user).post(page_of(proposal), {"act": act})


def work_off(user: User, proposal: Proposal) -> None:
    browser_of(user).post(f"/staff/revoke/{proposal.job_id}/")


def state_of(proposal: Proposal) -> str:
    proposal.refresh_from_db()
    return str(proposal.state)


def assert_approved(user: User, proposal: Proposal) -> None:
    answer = decide(user, proposal)
    assert answer["Location"] == f"/staff/revoke/{proposal.job_id}/"
    assert state_of(proposal) == "approved"


def test_one_proposes_and_another_approves(ann, ben, alice, three):
    review = browser_of(ann).get(f"/staff/revoke/?user={alice.pk}").text
    assert WAITS in review
    assert "Propose" in review
    proposal = proposed_by(ann, f"user={alice.pk}")
    assert live(alice) == 3
    page = browser_of(ben).get(page_of(proposal)).text
    assert "Waits for approval" in page
    assert "alice" in page
    assert "lost device" in page
    assert_approved(ben, proposal)
    assert live(alice) == 0  # a small act is done at once
    first, last = (Event.objects.get(kind=k) for k in (Kind.PROPOSED, Kind.PROPOSAL_APPROVED))
    assert (first.actor, first.reason, first.count) == (ann, "lost device", 3)
    assert (last.actor, last.reason, last.count) == (ben, "lost device", 3)
    assert first.data["filter"]["users"] == [str(alice.pk)]
    done = Event.objects.get(kind=Kind.REVOKE_MATCHING)
    assert (done.actor, done.data["job"]) == (ann, proposal.job_id)


def test_few_sessions_and_own_ones_need_one_person(ann, alice, crowd):
    sessions = [open_session(user=alice).session for _ in range(2)]
    browser_of(ann).post(f"/staff/revoke/?user={alice.pk}", REASON)
    assert live(alice) == 0
    for _ in range(5):
        open_session(user=ann)
    browser_of(ann).post(f"/staff/revoke/?user={ann.pk}", REASON)
    assert live(ann) == 0
    assert not Proposal.objects.exists()
    assert sessions


def test_switched_off_by_default(ann, alice, three, settings):
    settings.TWO_PERSON_OVER = 0
    browser_of(ann).post(f"/staff/revoke/?user={alice.pk}", REASON)
    assert live(alice) == 0


def test_everybody_needs_two_however_few_they_are(sam, alice):
    open_session(user=alice)
    at = f"{clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    proposal = proposed_by(sam, f"everybody=1&before={at}", typed="1")
    assert not Cutoff.objects.exists()
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    with later(minutes=5):
        kept = open_session(user=alice).session
        assert_approved(boss, proposal)
    assert Cutoff.objects.get().not_before <= proposal.job.created_at
    work_off(boss, proposal)
    assert list(Session.objects.filter(revoked_at=None, user=alice)) == [kept]


def test_the_proposer_cannot_approve(ann, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    page = browser_of(ann).get(page_of(proposal)).text
    assert "Another person has to approve it." in page
    assert "Approve and revoke" not in page
    assert decide(ann, proposal).status_code == 422
    assert decide(ann, proposal, "refuse").status_code == 422
    assert state_of(proposal) == "open"


@pytest.mark.parametrize(
    ("act", "who", "state", "kind"),
    [
        ("withdraw", "ann", "withdrawn", Kind.PROPOSAL_WITHDRAWN),
        ("refuse", "ben", "refused", Kind.PROPOSAL_REFUSED),
    ],
)
def test_withdrawn_and_refused_proposals_end_nothing(ann, ben, alice, three, act, who, state, kind):
    proposal = proposed_by(ann, "matching=sessions&q=alice")
    person = {"ann": ann, "ben": ben}[who]
    decide(person, proposal, act)
    assert state_of(proposal) == state
    assert Event.objects.get(kind=kind).actor == person
    assert not RevocationTarget.objects.exists()
    assert (
        "is not open any more"
        in browser_of(ben).post(page_of(proposal), {"act": "approve"}, follow=True).text
    )
    call_command("revoke_tokens", resume=True)
    assert live(alice) == 3


def test_proposal_expires(ann, ben, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    with later(hours=25):
        assert "Expired" in browser_of(ben).get(page_of(proposal)).text
        decide(ben, proposal)
        assert state_of(proposal) == "open"
        call_command("purge_tokens", reason="nightly")
        assert state_of(proposal) == "expired"
        assert Event.objects.get(kind=Kind.PROPOSAL_EXPIRED).actor is None
    assert live(alice) == 3


def test_of_two_approvals_one_counts(ann, ben, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    stale = Proposal.objects.select_related("job").get(pk=proposal.pk)
    assert_approved(ben, proposal)
    assert not proposals.approve(proposal=stale, actor=make_staff("eve", *DESK))
    assert Event.objects.filter(kind=Kind.PROPOSAL_APPROVED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_who_approve_at_once_do_it_once(ann, ben, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    people = [ben, *(make_staff(name, *DESK) for name in ("eve", "joe", "kim"))]
    start = Barrier(len(people))

    def approve(person: User) -> bool:
        try:
            found = Proposal.objects.select_related("job__actor").get(pk=proposal.pk)
            start.wait()
            return proposals.approve(proposal=found, actor=person)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(people)) as pool:
        assert sorted(pool.map(approve, people)) == [False, False, False, True]
    assert Event.objects.filter(kind=Kind.PROPOSAL_APPROVED).count() == 1


def test_filter_whose_matches_change_ends_what_was_approved(ann, ben, alice, bob, three):
    proposal = proposed_by(ann, "matching=sessions&user_agent=&q=alice")
    moved = three[0]
    Session.objects.filter(pk=moved.pk).update(ip="198.51.100.7", user_agent="Other/2")
    with later(minutes=5):
        kept = open_session(user=alice).session
        assert_approved(ben, proposal)
        work_off(ben, proposal)
    assert list(Session.objects.filter(revoked_at=None, user=alice)) == [kept]


@pytest.mark.parametrize("gone", ["permission", "staff", "active", "account"])
def test_rights_that_the_proposer_lost_void_it(ann, ben, alice, three, gone):
    proposal = proposed_by(ann, f"user={alice.pk}")
    if gone == "permission":
        ann.user_permissions.remove(Permission.objects.get(codename="revoke_token"))
    elif gone == "account":
        ann.delete()
    else:
        User.objects.filter(pk=ann.pk).update(**{f"is_{gone}": False})
    assert "can't be approved" in browser_of(ben).get(page_of(proposal)).text
    assert decide(ben, proposal).status_code == 422
    assert state_of(proposal) == "open"
    assert live(alice) == 3
    decide(ben, proposal, "refuse")
    assert state_of(proposal) == "refused"


def test_approver_needs_the_permissions_for_all_of_it(sam, ben, alice, three):
    root = User.objects.create_superuser("root", password=PASSWORD)
    for _ in range(3):
        open_session(user=root)
    proposal = proposed_by(sam, f"user={root.pk}")
    assert "you have no permission for all of it" in browser_of(ben).get(page_of(proposal)).text
    for act in ("approve", "refuse"):
        assert decide(ben, proposal, act).status_code == 403
    assert Event.objects.filter(kind=Kind.PERMISSION_DENIED, actor=ben).exists()
    assert state_of(proposal) == "open"
    assert live(root) == 3


def test_filter_that_finds_a_superuser_needs_the_permission_too(sam, ben, crowd):
    root = User.objects.create_superuser("root", password=PASSWORD)
    for _ in range(3):
        open_session(user=root)
    proposal = proposed_by(sam, "matching=sessions&q=root")
    assert decide(ben, proposal).status_code == 403
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    assert_approved(boss, proposal)
    work_off(boss, proposal)
    assert live(root) == 0


def test_approval_needs_a_fresh_proof(ann, ben, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    client = browser_of(ben)
    session = client.session
    del session[PROVED_UNTIL]
    session.save()
    assert client.post(page_of(proposal), {"act": "approve"}).status_code == 422
    assert state_of(proposal) == "open"
    client.post(page_of(proposal), {"act": "approve", "password": PASSWORD})
    assert state_of(proposal) == "approved"
    assert second_step.PROVED not in client.session


def test_sent_twice_it_is_one_proposal(ann, alice, three):
    client = browser_of(ann)
    for _ in range(2):
        client.post(f"/staff/revoke/?user={alice.pk}", REASON)
    assert Proposal.objects.count() == 1
    with later(minutes=1):
        open_session(user=alice)
        client.post(f"/staff/revoke/?user={alice.pk}", REASON)
    assert Proposal.objects.count() == 2


def test_overview_lists_what_waits(ann, ben, viewer, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    words = "ann proposes to revoke 3 sessions."
    assert words in browser_of(ben).get("/staff/").text
    assert words not in browser_of(viewer).get("/staff/").text
    decide(ben, proposal, "refuse")
    assert words not in browser_of(ben).get("/staff/").text


def test_overview_names_no_proposal_that_its_reader_may_not_open(sam, ann, alice):
    open_session(user=alice)
    at = f"{clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    proposal = proposed_by(sam, f"everybody=1&before={at}", typed="1")
    assert browser_of(ann).get(page_of(proposal)).status_code == 403
    assert "sam proposes" not in browser_of(ann).get("/staff/").text
    assert "sam proposes" in browser_of(sam).get("/staff/").text


def test_page_names_browser_sessions_that_end_too(ann, ben, alice, three):
    words = "It also ends browser sessions that were opened before."
    whole = proposed_by(ann, f"user={alice.pk}")
    assert words in browser_of(ben).get(page_of(whole)).text
    some = proposed_by(ann, "matching=sessions&q=alice")
    assert words not in browser_of(ben).get(page_of(some)).text


def test_job_page_of_a_proposal_leads_to_it(ann, ben, alice, three):
    proposal = proposed_by(ann, f"user={alice.pk}")
    answer = browser_of(ben).post(f"/staff/revoke/{proposal.job_id}/")
    assert answer["Location"] == page_of(proposal)
    assert live(alice) == 3


def test_admin_proposes_too(sam, ben, alice, three):
    client = browser_of(sam)
    path = f"/admin/auth/user/{alice.pk}/revoke/"
    assert WAITS in client.get(path).text
    answer = client.post(path, {"reason": "lost", "confirm": "1"})
    proposal = Proposal.objects.get()
    assert answer["Location"] == page_of(proposal)
    assert live(alice) == 3
    assert_approved(ben, proposal)
    everyone = client.post("/admin/tokens/cutoff/add/", {"reason": "all", "typed": "everyone"})
    assert everyone["Location"] == page_of(Proposal.objects.latest("pk"))
    assert not Cutoff.objects.exists()


def test_api_refuses_what_needs_two(sam, alice, three):
    access = open_session(user=sam).access
    answer = Client().post(
        f"/api/staff/users/{alice.pk}/revoke",
        {"reason": "lost"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {access}"},
    )
    assert answer.status_code == 403
    assert "Propose it on the staff pages" in answer.json()["detail"]
    assert live(alice) == 3


def test_shell_acts_alone_and_says_so(alice, three, capsys):
    call_command("revoke_tokens", user=["alice"], reason="emergency")
    assert live(alice) == 0
    assert "TWO_PERSON_OVER is 2, but no second person approves" in capsys.readouterr().err


def test_million_sessions_are_proposed_by_count(ann, alice, three):
    """The numbers of a proposal are whole, where a review stops counting."""
    selection = Selection(users=(alice.pk,))
    found = preview(selection=selection)
    proposal = propose(selection=selection, found=found, actor=ann, reason="why")
    assert (proposal.job.expected, proposal.job.people) == (3, 1)


def test_limit_above_what_a_review_counts_is_reached_there(
    ann, alice, three, settings, monkeypatch
):
    monkeypatch.setattr("tokens.revocation.reviews.CAP", 3)
    settings.TWO_PERSON_OVER = 5
    assert WAITS in browser_of(ann).get(f"/staff/revoke/?user={alice.pk}").text


@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_once_it_is_one_proposal(ann, alice, three):
    clients = [browser_of(ann) for _ in range(4)]
    start = Barrier(len(clients))

    def send(client: Client) -> str:
        try:
            start.wait()
            return client.post(f"/staff/revoke/?user={alice.pk}", REASON)["Location"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(clients)) as pool:
        assert set(pool.map(send, clients)) == {page_of(Proposal.objects.get())}


def test_browser_of_the_proposer_ends_too_and_the_review_does_not_deny_it(sam, alice):
    open_session(user=alice)
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    query = f"everybody=1&before={clock.now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    client = browser_of(sam)
    review = client.get(f"/staff/revoke/?{query}").text
    assert "This ends any browser sessions" in review
    assert "The one you are using stays" not in review
    assert "except this one" not in client.get("/admin/tokens/cutoff/add/").text
    proposal = proposed_by(sam, query, typed="1")
    with later(minutes=1):
        assert_approved(boss, proposal)
        assert client.get("/staff/").status_code == 302


def test_act_in_the_name_of_the_proposer_has_no_address_of_the_approver(ann, ben, alice, three):
    browser_of(alice)
    proposal = proposed_by(ann, f"user={alice.pk}")
    browser_of(ben).post(page_of(proposal), {"act": "approve"}, REMOTE_ADDR="198.51.100.9")
    approval = Event.objects.get(kind=Kind.PROPOSAL_APPROVED)
    act = Event.objects.get(kind=Kind.REVOKE_BROWSERS)
    assert (approval.actor, approval.ip) == (ben, "198.51.100.9")
    assert (act.actor, act.ip, act.request_id) == (ann, None, approval.request_id)


@pytest.mark.parametrize("query", ["user={0.pk}", "matching=tokens&q={0.username}"])
def test_tokens_without_a_session_are_counted(ann, ben, alice, crowd, query):
    for _ in range(4):
        legacy_pair(alice)
    proposal = proposed_by(ann, query.format(alice))
    page = browser_of(ben).get(page_of(proposal))
    assert page.context["tokens"] == 4
    assert "ann proposes a revocation." in browser_of(ben).get("/staff/").text
    assert_approved(ben, proposal)
    work_off(ben, proposal)
    assert Event.objects.get(kind=Kind.REVOKE_MATCHING).count == 4


@pytest.mark.parametrize("path", ["/staff/proposals/0/", "/staff/proposals/999999/"])
def test_unknown_proposal_is_not_found(ann, path):
    assert browser_of(ann).get(path).status_code == 404
