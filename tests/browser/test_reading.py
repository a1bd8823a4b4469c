"""Read claims and the reason of a refusal, follow a session, search the trail and export it.

Each test runs in each of `WAYS`.
"""

import json

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.support.browser.person import Person
from tokens.models import Event, Kind
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import IssuedPair, open_session

# How a browser shows and sends pages does not depend on the database; tests/staff and tests/account
# request the pages on each.
pytestmark = pytest.mark.once


@pytest.fixture
def pair(portal_server, alice: User) -> IssuedPair:
    return open_session(user=alice, origin=Origin(ip="192.0.2.7", user_agent="okhttp/4.12.0"))


@pytest.fixture
def ended(pair: IssuedPair, sam: User) -> IssuedPair:
    revoke_session(session=pair.session, actor=sam, reason="laptop lost")
    return pair


def panel(person: Person, name: str):
    return person.page.get_by_role("region", name=name)


def test_token_page_shows_claims_and_validation(staff: Person, ended: IssuedPair) -> None:
    jti = ended.session.current.jti
    staff.open("/staff/tokens/")
    short = f"{jti[:8]}…{jti[-4:]}"
    staff.press(staff.page.get_by_role("link", name=short))
    for name in ("Header", "Claims", "Validation"):
        expect(panel(staff, name)).to_be_visible()
    for claim in ("jti", "user_id", "sid", "exp"):
        expect(panel(staff, "Claims").get_by_text(claim, exact=True).first).to_be_visible()
    expect(panel(staff, "Validation")).to_contain_text("Refused")
    expect(panel(staff, "Validation")).to_contain_text("token_not_valid")
    expect(staff.page.get_by_role("listitem").filter(has_text="laptop lost")).to_be_visible()
    staff.fits()
    assert Event.objects.filter(kind=Kind.CLAIMS_VIEWED, jti=jti).exists()


def test_session_page_tells_the_session_from_login_to_end(staff: Person, ended: IssuedPair) -> None:
    staff.open("/staff/sessions/")
    sid = str(ended.session.pk)
    staff.press(staff.page.get_by_role("link", name=f"{sid[:8]}…{sid[-4:]}"))
    steps = staff.page.get_by_role("listitem")
    for text in ("logged in", "session revoked"):
        expect(steps.filter(has_text=text).first).to_be_visible()
    expect(steps.filter(has_text="192.0.2.7").first).to_be_visible()
    staff.fits()


def test_pasted_token_is_validated_and_not_kept(staff: Person, ended: IssuedPair) -> None:
    staff.open("/staff/inspect/")
    box = staff.page.get_by_label("Token, log, diff or report")
    staff.write(box, ended.access)
    staff.press(staff.page.get_by_role("button", name="Validate"))
    expect(panel(staff, "Validation")).to_contain_text("Refused")
    expect(panel(staff, "Claims")).to_contain_text("user_id")
    staff.fits()
    expect(box).to_have_value("")
    assert ended.access not in staff.page.content() + staff.page.url
    staff.write(box, "no token at all")
    staff.press(staff.page.get_by_role("button", name="Validate"))
    expect(staff.page.get_by_text("This is not a token.")).to_be_visible()
    staff.fits()


def test_audit_trail_is_filtered_and_exported(staff: Person, ended: IssuedPair) -> None:
    staff.open("/staff/events/")
    staff.fits()
    about = staff.page.get_by_label("About")
    if staff.way.touch:
        # A phone's first screen is for the events.
        expect(about).to_be_hidden()
        staff.press(staff.page.get_by_text("Filters", exact=True))
    expect(staff.page.get_by_text("Times are in UTC.").first).to_be_visible()
    staff.write(about, "alice")
    staff.choose(staff.page.get_by_label("What"), "session revoked")
    if not staff.way.scripts:
        staff.press(staff.page.get_by_role("button", name="Filter events"))
    staff.page.wait_for_url("**kind=revoke_session**")
    found = staff.page.get_by_role("row").filter(has=staff.page.get_by_role("rowheader"))
    expect(found).to_have_count(1)
    expect(found).to_contain_text("laptop lost")
    staff.fits()
    for form, shown in (("CSV", "session_revoked"), ("JSON Lines", "revoke_session")):
        with staff.page.expect_download() as download:
            staff.press(staff.page.get_by_role("button", name=f"Export as {form}"))
        text = download.value.path().read_text()
        assert "laptop lost" in text
        if form == "JSON Lines":
            assert [json.loads(line)["kind"] for line in text.splitlines()] == [shown]


def test_overview_gives_its_charts_in_words_too(staff: Person, ended: IssuedPair) -> None:
    staff.open("/staff/")
    expect(staff.page.get_by_role("heading", name="Live sessions")).to_be_visible()
    table = staff.page.get_by_text("Show as a table").first
    staff.press(table)
    expect(staff.page.get_by_role("columnheader", name="Revocations").first).to_be_visible()
    staff.fits()
    security = staff.page.get_by_role("region", name="Recent security events")
    expect(security).to_be_visible()
