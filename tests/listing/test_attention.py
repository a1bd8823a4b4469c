"""Each rule finds what it describes, and nothing that only resembles it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.tokens import later
from tests.support.users import make_user
from tokens import audit
from tokens.listing.attention import RULES, find_attention
from tokens.models import Event, Kind, Session, SessionOrigin
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected

HOME, NEAR, AWAY = "203.0.113.7", "203.0.113.8", "198.51.100.9"
MINUTE = timedelta(minutes=1)


def found() -> list[tuple[str, str]]:
    return [(one.rule.name, one.key) for one in find_attention()]


def opened(user, ip: str = HOME):
    return open_session(user=user, origin=Origin(ip=ip))


def seen(session, ip: str, since: timedelta, until: timedelta) -> None:
    now = timezone.now()
    SessionOrigin.objects.create(
        session=session, ip=ip, first_seen_at=now - since, last_seen_at=now - until
    )


def refuse(user, number: int) -> None:
    for _ in range(number):
        audit.record(kind=Kind.LOGIN_REFUSED, subject=user)


@pytest.mark.parametrize(("number", "finds"), [(5, True), (4, False)])
def test_login_after_refused_ones(alice, number, finds) -> None:
    refuse(alice, number)
    session = opened(alice).session
    assert found() == [("guessed", str(session.pk))] * finds


def test_login_long_after_refused_ones_or_before_them_is_no_finding(alice) -> None:
    opened(alice)
    refuse(alice, 9)
    with later(hours=1):
        opened(alice)
        assert found() == []


@pytest.mark.parametrize(
    ("ip", "pause", "finds"),
    [(AWAY, MINUTE, True), (NEAR, MINUTE, False), (AWAY, 30 * MINUTE, False)],
)
def test_session_in_two_networks_within_minutes(alice, ip, pause, finds) -> None:
    session = opened(alice).session
    SessionOrigin.objects.all().delete()
    seen(session, HOME, 60 * MINUTE, 40 * MINUTE)
    seen(session, ip, 40 * MINUTE - pause, MINUTE)
    assert found() == [("moved", str(session.pk))] * finds


@pytest.mark.parametrize(("back", "finds"), [(2 * MINUTE, True), (200 * MINUTE, False)])
def test_session_that_returned_to_its_first_network(alice, back, finds) -> None:
    session = opened(alice).session
    SessionOrigin.objects.all().delete()
    seen(session, HOME, 600 * MINUTE, MINUTE)
    seen(session, AWAY, 500 * MINUTE, MINUTE + back)
    assert found() == [("moved", str(session.pk))] * finds


@pytest.mark.parametrize(("ip", "finds"), [(AWAY, True), (NEAR, False)])
def test_retry_from_another_network(alice, ip, finds) -> None:
    pair = opened(alice)
    rotate(refresh=pair.refresh, origin=Origin(ip=HOME))
    rotate(refresh=pair.refresh, origin=Origin(ip=ip))
    assert (("retried", str(pair.session.pk)) in found()) is finds


def test_login_lock_needs_attention_for_a_day_and_is_locked_for_minutes(client, sam, alice) -> None:
    audit.record(kind=Kind.LOGIN_LOCKED, subject=alice, data={"by": "account"})
    event = Event.objects.get(kind=Kind.LOGIN_LOCKED)
    client.force_login(sam)
    assert found() == [("locked", str(event.pk))]
    page = client.get("/staff/").text
    assert "locked now" in page
    assert f'href="/staff/users/{alice.pk}/">alice<' in page
    with later(minutes=10):
        assert [str(one.detail) for one in find_attention()] == [""]
    with later(hours=25):
        assert found() == []
    client.post("/staff/looks-fine/", {"rule": "locked", "key": str(event.pk)})
    assert found() == []
    assert Event.objects.get(kind=Kind.LOOKS_FINE).subject == alice
    audit.record(kind=Kind.LOGIN_LOCKED, subject=alice, data={"by": "account"})
    assert len(found()) == 1


def test_account_that_staff_have_unlocked_needs_no_attention(alice) -> None:
    audit.record(kind=Kind.LOGIN_LOCKED, subject=alice, data={"by": "account"})
    with later(minutes=1):
        audit.record(kind=Kind.LOGIN_UNLOCKED, subject_name="alice")
        assert found() == []


@pytest.mark.parametrize("key", ["0", "9" * 30, "²", "-1"])
def test_what_is_no_finding_cannot_be_set_aside(client, sam, key) -> None:
    client.force_login(sam)
    answer = client.post("/staff/looks-fine/", {"rule": "locked", "key": key})
    assert answer.status_code == 400


def test_reuse_stays_until_staff_have_looked(client, sam, auditor, alice) -> None:
    first = opened(alice)
    second = rotate(refresh=first.refresh, origin=Origin(ip=HOME))
    rotate(refresh=second.refresh, origin=Origin(ip=HOME))
    assert found() == []
    with pytest.raises(TokenRejected):
        rotate(refresh=first.refresh, origin=Origin(ip=HOME))
    assert found() == [("reuse", str(first.session.pk))]
    client.force_login(auditor)
    assert f"/staff/events/?session={first.session.pk}" in client.get("/staff/").text
    client.force_login(sam)
    assert f"/staff/revoke/?user={alice.pk}&amp;next=" in client.get("/staff/").text
    client.post("/staff/looks-fine/", {"rule": "reuse", "key": str(first.session.pk)})
    assert found() == []


FIREFOX, NEWER = "Mozilla/5.0 Firefox/133.0", "Mozilla/5.0 Firefox/134.1"


@pytest.mark.parametrize(
    ("ip", "agent", "detail"),
    [
        (AWAY, "curl/8.0", "new device and network"),
        (HOME, "curl/8.0", "new device"),
        (AWAY, FIREFOX, "new network"),
        (NEAR, NEWER, None),
    ],
)
def test_login_from_a_new_device_or_network(alice, ip, agent, detail) -> None:
    open_session(user=alice, origin=Origin(ip=HOME, user_agent=FIREFOX))
    with later(hours=25):
        session = open_session(user=alice, origin=Origin(ip=ip, user_agent=agent)).session
        found = [(one.rule.name, one.key, str(one.detail)) for one in find_attention()]
    assert found == ([("new-place", str(session.pk), detail)] if detail else [])


def test_first_login_and_the_networks_of_travellers_are_no_findings(alice, bob) -> None:
    opened(bob)
    for at in range(5):
        opened(alice, f"10.{at}.0.1")
    with later(hours=25):
        opened(alice, AWAY)
        assert found() == []


def test_network_that_a_session_moved_to_is_known(alice) -> None:
    pair = opened(alice)
    rotate(refresh=pair.refresh, origin=Origin(ip=AWAY))
    rotate(refresh=opened(alice).refresh, origin=Origin(ip=HOME))
    with later(hours=25):
        opened(alice, AWAY)
        assert found() == []


@pytest.mark.parametrize(("number", "finds"), [(10, True), (9, False)])
def test_many_accounts_at_one_address(db, number, finds) -> None:
    for at in range(number):
        user = make_user(f"user{at}")
        opened(user)
        opened(user)
    assert found() == [("crowded-address", HOME)] * finds


def test_ended_and_old_sessions_are_no_findings(alice, bob) -> None:
    refuse(alice, 5)
    revoke_session(session=opened(alice).session, actor=None, reason="test")
    assert found() == []
    refuse(bob, 5)
    opened(bob)
    with later(hours=25):
        assert found() == []


def test_finding_that_looks_fine_is_not_shown_again(client, sam, alice) -> None:
    refuse(alice, 5)
    session = opened(alice).session
    client.force_login(sam)
    page = client.get("/staff/")
    assert "Session of alice" in page.text
    assert f"?session={session.pk}&amp;next=" in page.text
    form = {"rule": "guessed", "key": str(session.pk)}
    # A login on the way comes back with a GET.
    assert client.get("/staff/looks-fine/").url == "/staff/"
    assert client.post("/staff/looks-fine/", form).status_code == 302
    event = Event.objects.get(kind=Kind.LOOKS_FINE)
    assert (event.actor, event.subject, event.session_id, event.data) == (
        *(sam, alice, session.pk),
        form,
    )
    assert found() == []
    assert "Session of alice" not in client.get("/staff/").text
    for key in ("zzz", "\0", "", str(uuid4()), "0" * 99):
        answer = client.post("/staff/looks-fine/", {"rule": "guessed", "key": key})
        assert answer.status_code == 400, key
    assert Event.objects.filter(kind=Kind.LOOKS_FINE).count() == 1


def test_session_that_looked_fine_is_shown_when_it_moves_again(client, sam, alice) -> None:
    session = opened(alice).session
    SessionOrigin.objects.all().delete()
    client.force_login(sam)
    client.post("/staff/looks-fine/", {"rule": "moved", "key": str(session.pk)})
    with later(minutes=1):
        seen(session, HOME, 60 * MINUTE, MINUTE / 2)
        seen(session, AWAY, MINUTE / 4, MINUTE / 4)
        assert found() == [("moved", str(session.pk))]


def test_rules_read_a_bounded_number_of_rows(alice, monkeypatch) -> None:
    refuse(alice, 5)
    opened(alice)
    with CaptureQueriesContext(connection) as queries:
        find_attention()
    assert len(queries) <= 3 * len(RULES) + 1
    assert not [q["sql"] for q in queries if "LIMIT" not in q["sql"] and " IN (" not in q["sql"]]
    assert Session.objects.count() == 1
