"""Revoke one token, several, all that match, all of a user, and everybody's before an instant.

Each follows a review and has a reason, in each of `WAYS`.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import ways_with
from tests.support.browser.person import Person
from tokens.models import Event, Kind, Session
from tokens.sessions.issue import open_session


@pytest.fixture
def held(portal_server, alice: User, bob: User) -> dict[str, list[Session]]:
    """Three sessions of Alice's, one of Bob's."""
    return {
        "alice": [open_session(user=alice).session for _ in range(3)],
        "bob": [open_session(user=bob).session],
    }


def live() -> dict[str, int]:
    names = Session.objects.filter(revoked_at=None).values_list("username", flat=True)
    return {name: list(names).count(name) for name in ("alice", "bob")}


def review(person: Person, *, sessions: int, people: int, reason: str = "lost device") -> None:
    """Read it, say why, go on."""
    page = person.page
    said = page.get_by_text(f"This revokes {sessions} session").first
    expect(said).to_contain_text(f"of {people} ")
    person.fits()
    expect(page.get_by_role("heading", name="Confirm revocation")).to_be_in_viewport()
    if person.way.scripts:
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("heading", name="Confirm revocation")).to_be_focused()
    assert Event.objects.filter(reason__startswith=reason).count() == 0
    person.tick(page.get_by_role("radio", name=reason))
    name = f"Revoke {sessions} session" + ("s" if sessions > 1 else "")
    person.press(page.get_by_role("button", name=name, exact=True))
    expect(page.get_by_role("status")).to_contain_text(f"Revoked {sessions} session")
    expect(page.get_by_role("dialog")).to_have_count(0)
    person.fits()


def written(kind: Kind, sam: User) -> None:
    event = Event.objects.get(kind=kind)
    assert (event.actor, event.reason) == (sam, "lost device")


def test_staff_revoke_one_token(staff: Person, held, sam) -> None:
    jti = held["bob"][0].current.jti
    staff.open(f"/staff/tokens/{jti}/")
    staff.press(staff.page.get_by_role("link", name="Revoke token…"))
    review(staff, sessions=1, people=1)
    assert live() == {"alice": 3, "bob": 0}
    written(Kind.REVOKE_TOKEN, sam)
    expect(staff.page.get_by_role("region", name="Validation")).to_contain_text("Refused")


def test_staff_revoke_one_session(staff: Person, held, sam) -> None:
    staff.open(f"/staff/sessions/{held['bob'][0].pk}/")
    staff.press(staff.page.get_by_role("link", name="Revoke session…"))
    review(staff, sessions=1, people=1)
    assert live() == {"alice": 3, "bob": 0}
    written(Kind.REVOKE_SESSION, sam)


@pytest.mark.parametrize(("way", "what"), ways_with(("token",), ("session",)), indirect=["way"])
def test_staff_revoke_the_selected_rows(staff: Person, held, sam, what) -> None:
    staff.open(f"/staff/{what}s/")
    for session in (held["alice"][0], held["bob"][0]):
        name = session.current.jti if what == "token" else str(session.pk)
        staff.tick(staff.page.get_by_role("checkbox", name=f"Select {what} {name}"))
    staff.press(staff.page.get_by_role("button", name="Revoke selected…"))
    review(staff, sessions=2, people=2)
    assert live() == {"alice": 2, "bob": 0}
    written(Kind.REVOKE_MATCHING, sam)


@pytest.mark.parametrize(("way", "what"), ways_with(("tokens",), ("sessions",)), indirect=["way"])
def test_staff_revoke_all_that_match_a_filter(staff: Person, held, sam, what) -> None:
    staff.open(f"/staff/{what}/?q=alice")
    staff.press(staff.page.get_by_role("link", name="Revoke all that match…"))
    review(staff, sessions=3, people=1)
    assert live() == {"alice": 0, "bob": 1}


def test_staff_revoke_all_tokens_of_a_user(staff: Person, held, alice, sam) -> None:
    staff.open(f"/staff/users/{alice.pk}/")
    staff.press(staff.page.get_by_role("link", name="Revoke all tokens…"))
    review(staff, sessions=3, people=1)
    assert live() == {"alice": 0, "bob": 1}
    written(Kind.REVOKE_USER, sam)


def test_staff_revoke_everybody_before_an_instant(staff: Person, held, sam) -> None:
    """It is asked for by its instant; the number is typed, however small."""
    old = timezone.now() - timedelta(hours=2)
    Session.objects.filter(username="alice").update(created_at=old)
    page = staff.page
    staff.open("/staff/sessions/")
    staff.press(page.get_by_role("link", name="Log everyone out…"))
    staff.press(page.get_by_role("link", name="Choose another time…"))
    before = page.get_by_label("Opened before")
    expect(before).to_be_visible()
    staff.fits()
    before.fill(f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}")
    staff.press(page.get_by_role("button", name="Review…"))
    expect(page.get_by_text("This revokes 3 sessions").first).to_contain_text("of 1 person")
    staff.tick(page.get_by_role("radio", name="suspected theft"))
    staff.write(page.get_by_label("Type 3 to confirm"), "3")
    staff.press(page.get_by_role("button", name="Revoke 3 sessions"))
    expect(page.get_by_role("status")).to_contain_text("Revoked 3 sessions")
    assert live() == {"alice": 0, "bob": 1}
    event = Event.objects.get(kind=Kind.CUTOFF)
    assert (event.actor, event.reason) == (sam, "suspected theft")


def test_cancelling_a_review_revokes_nothing(staff: Person, held, alice) -> None:
    staff.open(f"/staff/users/{alice.pk}/")
    staff.press(staff.page.get_by_role("link", name="Revoke all tokens…"))
    expect(staff.page.get_by_text("This revokes 3 sessions")).to_be_visible()
    if staff.way.keys:
        staff.page.keyboard.press("Escape")
    else:
        staff.press(staff.page.get_by_role("link", name="Cancel"))
    if staff.way.scripts:
        expect(staff.page.get_by_role("dialog")).to_have_count(0)
        expect(staff.page.get_by_role("link", name="Revoke all tokens…")).to_be_focused()
    expect(staff.page.get_by_role("heading", name="alice")).to_be_visible()
    assert live() == {"alice": 3, "bob": 1}


def test_revocation_without_a_reason_is_refused(staff: Person, complaints, held, alice) -> None:
    """Ask for a few words with “Other”, keep the entries, and end nothing."""
    complaints.allow("422")  # the console names every answer that is a refusal
    staff.open(f"/staff/users/{alice.pk}/")
    staff.press(staff.page.get_by_role("link", name="Revoke all tokens…"))
    staff.tick(staff.page.get_by_role("radio", name="other"))
    staff.press(staff.page.get_by_role("button", name="Revoke 3 sessions"))
    expect(staff.page.get_by_role("alert")).to_contain_text("Describe the reason in a few words.")
    expect(staff.page.get_by_role("radio", name="other")).to_be_checked()
    staff.fits()
    assert live() == {"alice": 3, "bob": 1}
    staff.write(staff.page.get_by_label("Details"), "asked on the phone")
    staff.press(staff.page.get_by_role("button", name="Revoke 3 sessions"))
    expect(staff.page.get_by_role("status")).to_contain_text("Revoked 3 sessions of 1 person")
    assert Event.objects.get(kind=Kind.REVOKE_USER).reason == "asked on the phone"


def answered(page: Page, back: str, words: str) -> None:
    """Expect the page that the person came from, with the message."""
    expect(page).to_have_url(re.compile(rf"{re.escape(back)}$"))
    expect(page.get_by_role("status")).to_contain_text(words)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_everybody_is_logged_out_in_a_tab_of_its_own(enter, held, sam, complaints) -> None:
    complaints.allow("422")
    person = enter(sam)
    page = person.page
    person.open("/staff/")
    address = page.get_by_role("link", name="Log everyone out…").get_attribute("href")
    person.open(f"{address}&next=/staff/")
    expect(page.get_by_role("heading", name="Confirm revocation")).to_be_visible()
    person.press(page.get_by_role("button", name="Revoke 4 sessions"))
    assert live() == {"alice": 3, "bob": 1}
    person.tick(page.get_by_role("radio", name="suspected theft"))
    person.write(page.get_by_label("Type 4 to confirm"), "3")
    person.press(page.get_by_role("button", name="Revoke 4 sessions"))
    expect(page.get_by_text("Type the number of sessions: 4")).to_be_visible()
    person.write(page.get_by_label("Type 4 to confirm"), "4")
    person.press(page.get_by_role("button", name="Revoke 4 sessions"))
    answered(page, "/staff/", "Revoked 4 sessions of 2 people")
    assert live() == {"alice": 0, "bob": 0}


def test_a_user_is_revoked_in_a_tab_of_its_own(enter, held, alice, sam) -> None:
    person = enter(sam)
    page, back = person.page, f"/staff/users/{alice.pk}/"
    person.open(f"/staff/revoke/?user={alice.pk}&next={back}")
    person.tick(page.get_by_role("radio", name="lost device"))
    person.press(page.get_by_role("button", name="Revoke 3 sessions"))
    answered(page, back, "Revoked 3 sessions of 1 person (alice)")
    assert live() == {"alice": 0, "bob": 1}
