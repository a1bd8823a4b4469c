"""Do the jobs of an incident, and count the clicks that each takes.

Staff begin on the overview, a user on their sessions, and the admin's staff on its index. Each job
is done by mouse and by keyboard alone, on a wide and a narrow page, with and without scripts. The
database says whether it is done, and done to nothing else.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Enter
from tests.support.browser.person import OTHER_PAIRS, PAIRS, Person, Way
from tests.support.clock import travel
from tests.support.effort import EFFORT
from tests.support.tokens import failed
from tokens.models import Event, Kind, Session
from tokens.origin import Origin
from tokens.revocation import Selection, revoke_matching, revoke_session
from tokens.sessions.issue import IssuedPair, open_session
from tokens.sessions.refresh import rotate

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CAFE, HOME, AWAY = "203.0.113.7", "192.0.2.1", "198.51.100.9"


@dataclass
class Desk:
    """The people of an incident, and the person at the browser."""

    person: Person
    sam: User
    alice: User
    bob: User
    downloads: Path

    def confirm(self, button: str, *, reason: str = "suspected theft") -> None:
        """Choose a reason in the review, press its button, and wait for the result."""
        page = self.person.page
        choice = page.get_by_role("radio", name=reason)
        choice.wait_for()
        self.person.fits()
        self.person.tick(choice)
        self.person.press(page.get_by_role("button", name=button, exact=True))
        expect(page.get_by_role("status")).to_contain_text("Revoked ")

    def row(self, text: str) -> Locator:
        """Return the row of a table that holds ``text``."""
        return self.person.page.get_by_role("row").filter(has_text=text)


def opened(user: User, ip: str = HOME, agent: str = DESK, *, days_ago: float = 0) -> IssuedPair:
    with travel(timezone.now() - timedelta(days=days_ago)):
        return open_session(user=user, origin=Origin(ip=ip, user_agent=agent))


def live() -> set[object]:
    return set(Session.objects.filter(revoked_at=None).values_list("pk", flat=True))


def stolen_device(desk: Desk) -> None:
    stolen = opened(desk.alice, agent=PHONE).session
    kept = {opened(desk.alice).session.pk, opened(desk.bob, agent=PHONE).session.pk}
    desk.person.find("alice")
    desk.person.press(desk.row("iPhone").get_by_role("link", name="Revoke…"))
    desk.confirm("Revoke 1 session", reason="lost device")
    assert live() == kept
    assert Event.objects.get(kind=Kind.REVOKE_SESSION).session_id == stolen.pk


def leaked_token(desk: Desk) -> None:
    leaked = opened(desk.alice)
    successor, kept = rotate(refresh=leaked.refresh), opened(desk.alice).session.pk
    desk.person.find(f"curl -H 'Authorization: Bearer {leaked.access}'")
    expect(desk.person.page.get_by_text("Accepted").first).to_be_visible()
    desk.person.press(desk.person.page.get_by_role("link", name="Revoke…"))
    desk.confirm("Revoke 1 session")
    tokens = (leaked.access, successor.access, successor.refresh)
    assert {failed(token) for token in tokens} == {"revoked"}
    assert live() == {kept}


def everyone_at_an_address(desk: Desk) -> None:
    there, moved = opened(desk.alice, CAFE), opened(desk.bob, CAFE)
    rotate(refresh=moved.refresh, origin=Origin(ip=AWAY, user_agent=DESK))
    kept = {opened(desk.alice, CAFE, days_ago=3).session.pk, opened(desk.bob, AWAY).session.pk}
    page = desk.person.page
    desk.person.find(CAFE)
    desk.person.press(page.get_by_role("link", name="Live, used since yesterday"))
    desk.person.press(page.get_by_role("link", name="Revoke all that match…"))
    expect(page.get_by_text("last used since").first).to_be_visible()
    desk.confirm("Revoke 2 sessions")
    assert live() == kept
    ended = Event.objects.get(kind=Kind.REVOKE_MATCHING)
    assert set(ended.targets.values_list("session_id", flat=True)) == {
        there.session.pk,
        moved.session.pk,
    }


def who_revoked_and_why(desk: Desk) -> None:
    with travel(timezone.now() - timedelta(days=5)):
        single, many = opened(desk.bob).session, opened(desk.bob).session
        others = opened(desk.alice).session
        revoke_session(session=single, actor=desk.sam, reason="lost device")
        chosen = Selection(sessions=(many.pk, others.pk))
        revoke_matching(selection=chosen, actor=desk.sam, reason="leaked laptop")
    opened(desk.bob)
    desk.person.find("bob")
    desk.person.press(desk.person.page.get_by_role("link", name="Revocations", exact=True))
    for reason in ("lost device", "leaked laptop"):
        expect(desk.row(reason)).to_have_count(1)
        expect(desk.row(reason)).to_contain_text("sam")
        expect(desk.row(reason)).to_contain_text("5 days ago")
    expect(desk.row("logged in")).to_have_count(0)


def does_the_api_accept_it(desk: Desk) -> None:
    pair = opened(desk.alice)
    revoke_session(session=pair.session, actor=desk.sam, reason="lost device")
    desk.person.find(pair.access)
    result = desk.person.page.get_by_role("listitem").filter(has_text="Refused").first
    expect(result).to_contain_text("by sam: “lost device”")
    expect(desk.person.page.get_by_text("token_not_valid").first).to_be_visible()


def export_of_a_user(desk: Desk) -> None:
    sessions = tuple(opened(user).session.pk for user in (desk.alice, desk.alice, desk.bob))
    opened(desk.bob)
    revoke_matching(selection=Selection(sessions=sessions), actor=desk.sam, reason="leak")
    page = desk.person.page
    desk.person.find("alice")
    desk.person.press(page.get_by_role("link", name="Show in the audit trail"))
    with page.expect_download() as download:
        desk.person.press(page.get_by_role("button", name="Export as CSV"))
    target = desk.downloads / "trail.csv"
    download.value.save_as(target)
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    about = Event.objects.filter(subject=desk.alice).values_list("pk", flat=True)
    many = Event.objects.get(kind=Kind.REVOKE_MATCHING).pk
    exported = {int(row["id"]) for row in rows}
    # The export itself is an event that follows what it holds.
    assert exported == {pk for pk in about if pk <= max(exported)} | {many}


def log_everyone_out(desk: Desk) -> None:
    for user in (desk.alice, desk.bob):
        opened(user)
    page = desk.person.page
    desk.person.press(page.get_by_role("link", name="Log everyone out…"))
    desk.person.write(page.get_by_label("Type 2 to confirm"), "2")
    desk.confirm("Revoke 2 sessions")
    assert live() == set()


def suspicious_session(desk: Desk) -> None:
    moved, kept = opened(desk.alice, CAFE), opened(desk.bob).session.pk
    rotate(refresh=moved.refresh, origin=Origin(ip=AWAY, user_agent=DESK))
    desk.person.open("/staff/")
    finding = desk.person.page.get_by_role("listitem").filter(has_text="two places")
    desk.person.press(finding.get_by_role("link", name="Revoke…"))
    desk.confirm("Revoke 1 session")
    assert live() == {kept}


def log_out_everywhere_else(desk: Desk) -> None:
    here, others = opened(desk.alice, "127.0.0.1"), [opened(desk.alice, CAFE) for _ in range(2)]
    others_of_bob = opened(desk.bob).session.pk
    page = desk.person.page
    desk.person.open("/account/sessions/")
    desk.person.press(page.get_by_role("link", name="Log out everywhere else…"))
    expect(page.get_by_text(f"This logs out {len(others)} sessions.")).to_be_visible()
    desk.person.fits()
    desk.person.press(page.get_by_role("button", name="Log out everywhere else"))
    expect(page.get_by_role("status")).to_contain_text("2 sessions are logged out.")
    assert live() == {here.session.pk, others_of_bob}


def stolen_device_in_the_admin(desk: Desk) -> None:
    stolen = opened(desk.alice, agent=PHONE).session
    kept = {opened(desk.alice).session.pk, opened(desk.bob, agent=PHONE).session.pk}
    page = desk.person.page
    desk.person.open("/admin/")
    desk.person.press(page.get_by_role("main").get_by_role("link", name="Sessions", exact=True))
    desk.person.write(page.get_by_role("textbox", name="Search"), "alice")
    desk.person.send(page.get_by_role("textbox", name="Search"))
    desk.person.press(desk.row("iPhone").get_by_role("link", name=str(stolen.pk)[:4]))
    desk.person.press(page.get_by_role("link", name="Revoke session"))
    desk.person.write(page.get_by_label("Reason"), "lost device")
    desk.person.press(page.get_by_role("button", name="Revoke"))
    expect(page.get_by_text("Revoked 1 session")).to_be_visible()
    assert live() == kept


# The most clicks that each job may take.
JOBS: dict[Callable[[Desk], None], int] = {
    stolen_device: 3,
    leaked_token: 3,
    everyone_at_an_address: 4,
    who_revoked_and_why: 2,
    does_the_api_accept_it: 2,
    export_of_a_user: 3,
    log_everyone_out: 3,
    suspicious_session: 3,
    log_out_everywhere_else: 2,
    stolen_device_in_the_admin: 4,
}
OWNERS = (log_out_everywhere_else,)
# The database does not change how a page is used: one way is enough on PostgreSQL.
PEOPLE = [
    PAIRS[0],
    *(pytest.param(way, marks=pytest.mark.once) for way in PAIRS[1:]),
    *(OTHER_PAIRS if EFFORT > 1 else ()),
]


@pytest.mark.parametrize("way", PEOPLE, ids=lambda way: way.name)
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_job_takes_few_clicks(
    enter: Enter, sam: User, alice: User, bob: User, tmp_path: Path, way: Way, job
) -> None:
    person = enter(alice if job in OWNERS else sam, way, user_agent=DESK)
    person.open("/account/sessions/" if job in OWNERS else "/staff/")
    job(Desk(person, sam, alice, bob, tmp_path))
    assert person.clicks <= JOBS[job], f"{person.clicks} clicks"
