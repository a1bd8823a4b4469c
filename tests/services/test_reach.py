"""After a revocation, pages and API say which services know of it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.tokens import pair_of
from tokens.db import clock
from tokens.jwt.signing import access_lifetime
from tokens.models import Service, Session
from tokens.revocation import (
    Selection,
    cut_off,
    preview,
    revoke_session,
    revoke_user,
    start_job,
    work_off,
)
from tokens.services import reach_of_session, reach_of_user
from tokens.services.registry import add_service

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def staff(client, sam):
    client.force_login(sam)
    return client


@pytest.fixture
def services(db):
    """Services that have read the feed up to: now and a minute, ten minutes ago, a second ago."""
    now = clock.now()
    for name, at in {
        "billing": now + MINUTE,
        "mail": now - timedelta(seconds=1),
        "search": now - 10 * MINUTE,
        "wiki": None,
    }.items():
        add_service(name=name, may_introspect=False, may_read_feed=True)
        Service.objects.filter(name=name).update(confirmed_at=at)
    add_service(name="asks", may_introspect=True, may_read_feed=False)


def told(page):
    """Return the list of services on a page, in one line."""
    section = page.text.partition('<h2 id="reach">')[2].partition("</section>")[0]
    return " ".join(section.replace("<span>", "").replace("</span>", "").split())


def check(page):
    words = told(page)
    assert "billing confirmed <time" in words
    assert "mail has not confirmed yet: tokens there may live until <time" in words
    assert "search silent since <time" in words
    assert "wiki has not confirmed anything yet: tokens" in words
    assert "asks" not in words


def test_page_of_a_revoked_session_says_which_services_know_of_it(staff, alice, services):
    session = pair_of(alice).session
    assert not told(staff.get(f"/staff/sessions/{session.pk}/"))
    revoke_session(session=session, actor=None, reason="why")
    check(staff.get(f"/staff/sessions/{session.pk}/"))


def test_page_of_a_revoked_user_says_which_services_know_of_it(staff, alice, services):
    pair_of(alice)
    assert not told(staff.get(f"/staff/users/{alice.pk}/"))
    revoke_user(user=alice, actor=None, reason="why")
    check(staff.get(f"/staff/users/{alice.pk}/"))


def test_page_of_a_job_says_it_when_all_is_revoked(staff, alice, sam, services):
    pair_of(alice)
    selection = Selection(users=(alice.pk,))
    found = preview(selection=selection)
    job = start_job(selection=selection, found=found, actor=sam, reason="leak")
    assert not told(staff.get(f"/staff/revoke/{job.pk}/"))
    work_off(job=job, seconds=60)
    check(staff.get(f"/staff/revoke/{job.pk}/"))


@pytest.mark.parametrize("query", ["matching=sessions&status=active", "everybody=1&before=now"])
def test_overview_says_which_services_know_of_the_last_act_upon_many(
    staff, alice, bob, services, query
):
    for user in (alice, bob):
        pair_of(user)
    assert not told(staff.get("/staff/"))
    reason = {"reason": "suspected theft", "typed": "2", "next": "/staff/sessions/"}
    page = staff.post(f"/staff/revoke/?{query}", reason, follow=True)
    assert re.search(r"Other services may accept them until \d\d:\d\d:\d\d", page.text)
    page = staff.get("/staff/")
    assert "Last bulk revocation: <time" in told(page)
    check(page)


def test_overview_is_silent_after_an_act_upon_one_session(staff, alice, services):
    session = pair_of(alice).session
    page = staff.post(
        f"/staff/revoke/?session={session.pk}", {"reason": "lost device"}, follow=True
    )
    assert "Other services may accept them" not in page.text
    assert not told(staff.get("/staff/"))


@pytest.mark.parametrize("everybody", [False, True])
def test_cutoff_of_a_session_counts_like_its_revocation(client, alice, sam, services, everybody):
    session = pair_of(alice).session
    Session.objects.filter(pk=session.pk).update(last_used_at=clock.now() - MINUTE)
    cut_off(user=None if everybody else alice, actor=None, reason="why")
    Session.objects.update(revoked_at=None)
    client.force_login(sam)
    check(client.get(f"/staff/sessions/{session.pk}/"))
    check(client.get(f"/staff/users/{alice.pk}/"))


def test_page_is_silent_once_the_last_access_token_has_expired(alice, services):
    session = pair_of(alice).session
    revoke_session(session=session, actor=None, reason="why")
    session.refresh_from_db()
    reach = reach_of_session(session=session)
    assert reach.until > session.last_used_at + access_lifetime()
    late = clock.now() - (reach.until - session.last_used_at) - timedelta(seconds=1)
    Session.objects.update(last_used_at=late)
    session.refresh_from_db()
    assert reach_of_session(session=session) is None
    assert reach_of_user(user=alice) is None


def test_last_access_token_of_an_unused_session_expires_before_one_of_the_revocation(alice):
    session = pair_of(alice).session
    Session.objects.update(last_used_at=clock.now() - MINUTE)
    revoke_session(session=session, actor=None, reason="why")
    session.refresh_from_db()
    now = clock.now()
    assert reach_of_session(session=session).until < now + access_lifetime()


def test_login_after_the_revocation_changes_nothing(alice, services):
    pair_of(alice)
    revoke_user(user=alice, actor=None, reason="why")
    before = reach_of_user(user=alice)
    pair_of(alice)
    assert reach_of_user(user=alice).revoked_at == before.revoked_at


def test_page_without_services_says_how_long_tokens_may_live(staff, alice):
    session = pair_of(alice).session
    revoke_session(session=session, actor=None, reason="why")
    words = told(staff.get(f"/staff/sessions/{session.pk}/"))
    assert "Programs that do not follow the feed may accept tokens until <time" in words
    german = staff.get(f"/staff/sessions/{session.pk}/", headers={"accept-language": "de"})
    assert "Access-Tokens bei anderen Diensten" in german.text


def test_api_tells_the_reach_of_a_session_and_of_a_user(api, alice, sam, services):
    pair = pair_of(alice)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair_of(sam).access}"}
    addresses = (f"/api/staff/sessions/{pair.session.pk}", f"/api/staff/users/{alice.pk}")
    assert [api.get(one, **bearer).json()["reach"] for one in addresses] == [None, None]
    revoke_session(session=pair.session, actor=None, reason="why")
    for address in addresses:
        reach = api.get(address, **bearer).json()["reach"]
        assert reach.keys() == {"revoked_at", "until", "services"}
        known = {one["name"]: one["confirmed"] for one in reach["services"]}
        assert known == {"billing": True, "mail": False, "search": False, "wiki": False}
        assert reach["services"][3]["confirmed_at"] is None


def test_reach_takes_a_fixed_number_of_queries(alice, services):
    """The number depends on what is revoked, not on how many sessions and services there are."""
    sessions = [pair_of(alice).session for _ in range(20)]
    for number in range(20):
        add_service(name=f"more-{number}", may_introspect=False, may_read_feed=True)

    def count(read):
        with CaptureQueriesContext(connection) as seen:
            read()
        return len(seen)

    live = count(lambda: reach_of_session(session=sessions[0]))
    assert live == 1
    assert count(lambda: reach_of_user(user=alice)) == 2
    revoke_user(user=alice, actor=None, reason="why")
    sessions[0].refresh_from_db()
    assert count(lambda: reach_of_session(session=sessions[0])) == 1
    assert count(lambda: reach_of_user(user=alice)) == 3
