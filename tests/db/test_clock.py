"""Every instant that is stored or compared is read from the database's clock."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from tests.support.tokens import failed, pair_of, signed_again
from tokens.audit import record
from tokens.db import clock
from tokens.jwt.claims import parse
from tokens.models import BlacklistedToken, BrowserCutoff, Cutoff, Kind, LoginThrottle, Session
from tokens.revocation import cut_off, cutoff_instant, revoke_user
from tokens.sessions.issue import session_lifetime
from tokens.sessions.refresh import rotate
from tokens.validation.validator import validate

pytestmark = pytest.mark.django_db
HOSTS_OWN = re.compile(
    r"timezone\.now|datetime\.now|time\.time\b|utcnow|localtime\(\)|localdate\(\)|auto_now"
)
# On SQLite, the host's clock is the database's.
WRONG = [timedelta(seconds=3), timedelta(seconds=-120), timedelta(days=365)]


@pytest.fixture(params=WRONG, ids=str)
def wrong_clock(request: pytest.FixtureRequest):
    """Move the clock of this host, and not the database's."""
    right = datetime.now(timezone.get_fixed_timezone(0))
    with time_machine.travel(right + request.param, tick=True):
        yield right


@pytest.mark.once
def test_nothing_else_reads_the_clock_of_the_host():
    found = {
        str(path.relative_to(settings.BASE_DIR))
        for path in (Path(settings.BASE_DIR) / "tokens").rglob("*.py")
        if "migrations" not in path.parts and HOSTS_OWN.search(path.read_text())
    }
    assert found == {"tokens/db/clock.py"}


@pytest.mark.postgresql
def test_wrong_host_writes_the_right_time(alice: User, wrong_clock: datetime) -> None:
    soon = wrong_clock + timedelta(minutes=1)
    pair = pair_of(alice)
    for _ in range(2):
        for token in (pair.refresh, pair.access):
            iat = parse(token).payload["iat"]
            assert int(wrong_clock.timestamp()) <= iat <= soon.timestamp()
        session = Session.objects.get()
        for at in (session.created_at, session.last_used_at, record(kind=Kind.LOGOUT).at):
            assert wrong_clock <= at <= soon
        pair = rotate(refresh=pair.refresh)
    assert failed(pair.access) is None
    assert clock.now() <= soon


@pytest.mark.postgresql
def test_wrong_host_cuts_off_what_was_opened_elsewhere(alice: User, wrong_clock: datetime) -> None:
    pair = pair_of(alice)
    cut_off(actor=None, reason="x")
    assert Cutoff.objects.get().not_before <= clock.ask()
    assert failed(pair.access) == failed(pair.refresh) == "revoked"
    assert failed(pair_of(alice).access) is None


@pytest.mark.postgresql
def test_wrong_host_throttles_for_as_long(client, alice: User, wrong_clock: datetime) -> None:
    body = {"username": "alice", "password": "wrong"}
    for _ in range(settings.LOGIN_ATTEMPTS + 1):
        answer = client.post("/api/login", body, content_type="application/json")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= settings.LOGIN_WINDOW_SECONDS
    ends = LoginThrottle.objects.latest("resets_at").resets_at
    assert ends <= clock.ask() + timedelta(seconds=settings.LOGIN_WINDOW_SECONDS)


@pytest.mark.postgresql
def test_known_time_is_never_ahead_of_the_database(db) -> None:
    clock.ask()
    for _ in range(100):
        known = clock.known()
        assert known is not None
        assert known <= clock.ask()


@pytest.mark.postgresql
def test_time_is_asked_for_again_when_the_last_reading_is_old(
    db, monkeypatch, django_assert_num_queries
) -> None:
    clock.ask()
    with django_assert_num_queries(0):
        clock.now()
    monkeypatch.setattr(clock, "LONGEST_SECONDS", 0.01)
    time.sleep(0.02)
    assert clock.known() is None
    with django_assert_num_queries(1):
        clock.now()


@pytest.mark.postgresql
def test_clock_is_read_after_a_lock_is_granted(alice: User) -> None:
    """The time of a login is after the revocation that it has waited for."""
    from tokens.validation.token_context import _account_query

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (VERBOSE) {_account_query('postgresql').sql}", [alice.pk])
        plan = [line for (line,) in cursor.fetchall()]
    lock = next(at for at, line in enumerate(plan) if "LockRows" in line)
    assert any("clock_timestamp()" in line for line in plan[:lock])
    assert not any("clock_timestamp()" in line for line in plan[lock:])


def test_cutoff_while_a_clock_was_a_year_ahead_gives_no_longer_life(alice: User) -> None:
    ahead = clock.ask() + timedelta(days=365)
    Cutoff.objects.create(not_before=ahead, reason="x")
    pair = pair_of(alice)
    assert failed(pair.access) is None
    assert pair.session.expires_at <= clock.ask() + session_lifetime()
    for token in (pair.refresh, pair.access):
        claims = parse(token).payload
        assert claims["iat"] <= clock.ask().timestamp()
        assert claims["exp"] <= (clock.ask() + session_lifetime()).timestamp()


@pytest.mark.parametrize("everybody", [False, True])
def test_cutoff_of_now_ends_what_was_opened_in_the_future(alice: User, everybody: bool) -> None:
    Cutoff.objects.create(not_before=clock.ask() + timedelta(days=365), reason="x")
    old = pair_of(alice)
    if everybody:
        cut_off(actor=None, reason="x")
    else:
        revoke_user(user=alice, actor=None, reason="x")
    assert failed(old.access) == failed(old.refresh) == "revoked"
    # The cutoff alone refuses a row that was restored.
    Session.objects.update(revoked_at=None)
    BlacklistedToken.objects.all().delete()
    assert failed(old.access) == "cut-off"
    assert failed(pair_of(alice).access) is None


def test_instant_of_a_cutoff_is_after_every_opening(alice: User, bob: User) -> None:
    year = clock.ask() + timedelta(days=365)
    assert cutoff_instant() < year
    BrowserCutoff.objects.create(user=alice, not_before=year)
    assert cutoff_instant(user=alice) == year + timedelta(microseconds=1)
    assert cutoff_instant(user=bob) < year
    pair_of(bob)
    Session.objects.update(created_at=year)
    assert cutoff_instant(user=bob) == cutoff_instant() == year + timedelta(microseconds=1)
    past = clock.ask() - timedelta(hours=1)
    assert cutoff_instant(wanted=past) == past
    assert cutoff_instant(wanted=year) > year


def test_token_with_a_future_iat_is_accepted_and_one_with_a_future_nbf_is_not(alice: User) -> None:
    pair = pair_of(alice)
    soon = int(clock.ask().timestamp()) + 120
    assert failed(signed_again(pair.access, iat=soon)) is None
    early = validate(token=signed_again(pair.access, nbf=soon))
    assert (early.failed, early.message) == ("times", "Token is not yet valid")
