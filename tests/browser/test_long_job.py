"""Revoke more sessions than one request can: start, watch, leave, find again and finish.

Each test runs in each of `WAYS`.
"""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.support.browser.network import away
from tests.support.browser.person import Person
from tests.support.bulk_sessions import hold
from tokens.listing.sessions import SessionQuery
from tokens.models import Event, Kind, RevocationJob, Session
from tokens.revocation import Selection, preview, start_job
from tokens.revocation.reviews import LONG

NUMBER = LONG + 20
POLLS = re.compile(r"/staff/revoke/\d+/$")


@pytest.fixture
def many(portal_server, alice: User, bob: User) -> int:
    hold(bob, 1)
    hold(alice, NUMBER)
    return NUMBER


@pytest.fixture
def begun(many, alice: User, revoker: User) -> RevocationJob:
    """Start the job as another member of staff."""
    selection = Selection(users=(alice.pk,), matching=SessionQuery(device="Mozilla"))
    found = preview(selection=selection)
    return start_job(selection=selection, found=found, actor=revoker, reason="lost device")


def live(name: str) -> int:
    return Session.objects.filter(revoked_at=None, username=name).count()


def finish(person: Person) -> None:
    """Wait until the job is done. Without scripts, press Continue for each batch."""
    page = person.page
    done = page.get_by_role("heading", name="Finished")
    go_on = page.get_by_role("button", name="Continue")
    while not person.way.scripts and not done.is_visible():
        person.press(go_on)
    expect(done).to_be_visible(timeout=30_000)
    person.fits()


def stand_still(page: Page, complaints) -> None:
    """None of the page's own requests comes through, until `go_on`."""
    complaints.allow(r"net::ERR_|htmx:sendError")
    page.route(POLLS, away)


def test_long_revocation_is_started_left_found_again_and_finished(
    staff: Person, many, sam, complaints
) -> None:
    page = staff.page
    staff.open("/staff/sessions/?q=alice&issued_after=2001-01-01")
    staff.press(page.get_by_role("link", name="Revoke all that match…"), from_the_end=True)
    expect(page.get_by_text(f"This revokes {many:,} sessions").first).to_contain_text("in batches")
    staff.tick(page.get_by_role("radio", name="suspected theft"))
    staff.write(page.get_by_label(f"Type {many} to confirm"), str(many))
    stand_still(page, complaints)
    staff.press(page.get_by_role("button", name=f"Revoke {many:,} sessions"))
    page.wait_for_url(POLLS)
    expect(page.get_by_role("heading", name="In progress")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("region", name="Details")).to_contain_text("suspected theft")
    staff.fits()
    staff.press(page.get_by_role("link", name="Overview"))
    needs = page.get_by_role("region", name="Needs attention")
    expect(needs).to_contain_text(f"Revoked sessions: 0 of about {many:,}.")
    assert live("alice") == many
    page.unroute(POLLS)
    staff.press(needs.get_by_role("link", name="Continue"))
    finish(staff)
    assert (live("alice"), live("bob")) == (0, 1)
    event = Event.objects.filter(kind=Kind.REVOKE_MATCHING).latest("pk")
    assert (event.actor, event.reason) == (sam, "suspected theft")
    staff.open("/staff/")
    expect(needs).not_to_contain_text("Bulk revocation")


def test_colleague_continues_a_long_revocation(staff: Person, begun: RevocationJob) -> None:
    staff.open(f"/staff/revoke/{begun.pk}/")
    finish(staff)
    expect(staff.page.get_by_role("region", name="Details")).to_contain_text("revoker")
    staff.press(staff.page.get_by_role("link", name="Revoked sessions"))
    expect(staff.page.get_by_role("rowheader").first).to_have_text("alice")
    assert set(Session.objects.exclude(revoked_at=None).values_list("revoked_by__username")) == {
        ("revoker",)
    }


@pytest.mark.slow
def test_long_revocation_continues_after_the_network_was_away(
    enter: Enter, sam, begun: RevocationJob, complaints
) -> None:
    """Show the true progress, and continue without a click."""
    person = enter(sam)
    stand_still(person.page, complaints)
    person.open(f"/staff/revoke/{begun.pk}/")
    told = person.page.get_by_role("status")
    expect(told).to_contain_text("Repeating it is safe")
    person.page.unroute(POLLS)
    finish(person)
    expect(told).to_contain_text("Finished: revoked")
    assert RevocationJob.objects.get().finished_at is not None
