"""Users read what happened to their account, and nothing about anybody else."""

import socket
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.support.clock import travel
from tokens import audit
from tokens.models import Kind, Measure
from tokens.models.kinds import ACCOUNT_CHANGE, OWNER_WORDS
from tokens.origin import Origin, acting_from
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_session
from tokens.sessions.issue import open_session

URL = "/account/events/"
HOME = Origin(ip="192.0.2.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0")
DESK = Origin(ip="198.51.100.77", user_agent="Mozilla/5.0 (iPhone) Safari/604.1")
# These repeat the event of an act that is shown, or leave no one to read them.
OTHERS = {Kind.LEGACY_ADOPTED, Kind.RECOVERY_CODE_USED}
NOT_SHOWN = {Kind.CUTOFF_SETTLED, Kind.LOGIN_UNLOCKED, Kind.USER_DELETED}


@pytest.fixture
def own(client, alice):
    client.force_login(alice)
    return client


def test_owner_reads_logins_refusals_and_ends_in_plain_words(own, alice, bob, sam):
    pair, other = open_session(user=alice, origin=HOME), open_session(user=alice, origin=HOME)
    open_session(user=bob, origin=Origin(ip="203.0.113.99", user_agent="Bob/1"))
    own.post("/account/password/", {"old_password": "wrong"})
    with acting_from(DESK):
        revoke_session(session=pair.session, actor=sam, reason="lost device")
        chosen = Selection(sessions=(other.session.pk,))
        revoke_matching(selection=chosen, actor=sam, reason="leaked laptop")
    page = own.get(URL).text
    for words in ("Logged in", "A login was refused", "A session was ended", "Sessions were ended"):
        assert words in page
    for words in ("wrong password", "lost device", "leaked laptop", "192.0.2.1", "staff"):
        assert words in page
    # Nothing about others, or about where staff are.
    for secret in ("203.0.113.99", "Bob", "198.51.100.77", "Safari", "sam"):
        assert secret not in page


def test_act_of_a_command_is_one_of_staff_and_does_not_name_the_host(own, alice):
    open_session(user=alice, origin=HOME)
    call_command("revoke_tokens", "--user", "alice", "--reason", "laptop lost")
    own.force_login(alice)
    page = own.get(URL).text
    assert "laptop lost" in page
    assert "staff" in page
    assert socket.gethostname() not in page


def test_refused_login_shows_its_address_whatever_the_client_calls_itself(own, client, alice):
    client.post(
        "/api/login",
        {"username": "alice", "password": "wrong"},
        content_type="application/json",
        headers={"X-Client": "manage.py revoke_tokens"},
        REMOTE_ADDR="203.0.113.5",
    )
    page = own.get(URL).text
    assert "203.0.113.5" in page
    assert "staff" not in page


def test_cutoff_for_everybody_is_in_the_list_of_each_user_that_it_hit(own, alice, sam):
    with travel(timezone.now() - timedelta(hours=1)):
        open_session(user=alice)
    cut_off(actor=sam, reason="incident 7")
    own.force_login(alice)
    assert "incident 7" in own.get(URL).text


def test_views_and_refreshes_are_not_listed(own, alice, sam):
    audit.record(kind=Kind.CLAIMS_VIEWED, actor=sam, subject=alice, reason="looked-at")
    audit.record(kind=Kind.REFRESH, subject=alice, reason="refreshed-it")
    page = own.get(URL).text
    assert "looked-at" not in page
    assert "refreshed-it" not in page


def test_every_kind_that_ends_or_counts_something_has_words():
    counted = {kind for kind in Kind if kind.traits.measure not in (None, Measure.REFRESHES)}
    ending = {kind for kind in Kind if kind.traits.caep}
    about = {kind for kind in Kind if kind.traits.ecs == ACCOUNT_CHANGE}
    assert counted | ending | about | OTHERS == set(OWNER_WORDS) | NOT_SHOWN


def test_list_is_paged(own, alice):
    for number in range(60):
        audit.record(kind=Kind.LOGIN_REFUSED, subject=alice, reason=f"number {number}")
    first = own.get(URL)
    assert len(first.context["rows"]) == 50
    second = own.get(URL, {"page": first.context["page"].older})
    assert 10 <= len(second.context["rows"]) < 50
    assert "number 0" in second.text
    assert own.get(URL, {"page": "rubbish"}).context["rows"]


def test_visitors_log_in_first(client):
    assert client.get(URL)["Location"] == "/account/login/?next=/account/events/"
