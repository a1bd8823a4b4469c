"""A relative range means the same on the page, in the API, the admin and the commands."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.support.clock import travel
from tests.support.tokens import later, pair_of
from tokens.listing.events import EventQuery
from tokens.listing.sessions import SessionQuery
from tokens.models import Event, Kind, Session
from tokens.revocation import Selection

NOON = datetime(2030, 3, 5, 12, 0, tzinfo=UTC)
AUCKLAND = ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("period", "since"),
    [
        ("1h", datetime(2030, 3, 5, 11, 0, tzinfo=UTC)),
        ("7d", datetime(2030, 2, 26, 12, 0, tzinfo=UTC)),
        # It is one o'clock in the night of the 6th there.
        ("today", datetime(2030, 3, 5, 11, 0, tzinfo=UTC)),
        ("yesterday", datetime(2030, 3, 4, 11, 0, tzinfo=UTC)),
    ],
)
def test_period_begins_before_now_or_at_midnight_of_the_viewer(db, period, since):
    with travel(NOON, tick=False), timezone.override(AUCKLAND):
        assert SessionQuery(used_within=period).limits("used") == (since, None)


def test_period_and_exact_limits_hold_together(db):
    with travel(NOON, tick=False):
        after, before = NOON - timedelta(hours=3), NOON - timedelta(minutes=5)
        query = EventQuery(within="24h", after=after, before=before)
        assert query.limits("when") == (after, before)
        query = SessionQuery(expires_within="24h", expires_before=NOON + timedelta(days=9))
        assert query.limits("expires") == (NOON, NOON + timedelta(days=1))


def test_every_face_reads_a_period(client, sam, login, alice, bob):
    with later(hours=-30):
        old = pair_of(bob).session
    new = pair_of(alice).session
    bearer = {"Authorization": f"Bearer {login(client, sam)['access']}"}
    Session.objects.filter(user=sam).update(last_used_at=timezone.now() - timedelta(days=20))
    client.force_login(sam)
    for period, shown in (("24h", {new.pk}), ("7d", {new.pk, old.pk})):
        query = {"used_within": period}
        page = client.get("/staff/sessions/", query).context["page"].rows
        listed = client.get("/admin/tokens/session/", query).context["cl"].result_list
        api = client.get("/api/staff/sessions", query, headers=bearer).json()["results"]
        assert {row.pk for row in page} == {row.pk for row in listed} == shown
        assert {row["id"] for row in api} == {str(pk) for pk in shown}
        out = StringIO()
        call_command("revoke_tokens", f"--used-within={period}", "--dry-run", stdout=out)
        assert f"in {len(shown)} sessions" in out.getvalue()
    users = client.get("/staff/users/?used_within=24h").context["page"].rows
    assert [user.username for user in users] == ["alice"]
    assert client.get("/staff/events/?within=1h&kind=login").context["page"].rows


def test_every_face_refuses_an_unknown_period(client, sam, login):
    bearer = {"Authorization": f"Bearer {login(client, sam)['access']}"}
    client.force_login(sam)
    for path, name in (("sessions", "used_within"), ("users", "used_within"), ("events", "within")):
        page = client.get(f"/staff/{path}/", {name: "soon"})
        assert "Select a valid choice" in page.text
        assert not page.context["page"].rows
    for path, name in (
        ("sessions", "used_within"),
        ("tokens", "issued_within"),
        ("events", "within"),
    ):
        answer = client.get(f"/api/staff/{path}", {name: "soon"}, headers=bearer)
        assert (answer.status_code, list(answer.json())) == (400, [name])
    with pytest.raises(CommandError):
        call_command("revoke_tokens", "--used-within=soon", "--dry-run")


def test_review_of_a_period_keeps_its_limits_until_the_act(client, sam, alice):
    held = pair_of(alice).session
    client.force_login(sam)
    review = client.get("/staff/revoke/?matching=sessions&issued_within=1h&q=alice")
    assert review.context["found"].sessions == 1
    address = review.context["address"]
    assert "issued_after=" in address
    assert "within" not in address
    with later(minutes=70):
        client.force_login(sam)
        client.post(f"/staff/revoke/?{address}", {"reason": "lost device"})
    held.refresh_from_db()
    assert held.revoked_at
    kept = Event.objects.get(kind=Kind.REVOKE_MATCHING).data["filter"]["matching"]
    assert "issued_after" in kept


def test_period_as_long_as_a_session_needs_the_right_to_reach_everybody(client, revoker, alice):
    pair_of(alice)
    assert SessionQuery(issued_within="30d").spans_everything
    assert not SessionQuery(issued_within="7d").spans_everything
    client.force_login(revoker)
    assert client.get("/staff/revoke/?matching=sessions&issued_within=30d").status_code == 403


def test_unknown_period_selects_nothing(db):
    query = SessionQuery(used_within="soon")
    assert query.unsatisfiable
    assert not query.listing().page().rows
    assert not Selection(matching=query).matching.live_sessions().exists()
