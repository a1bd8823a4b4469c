"""Owners are told of some events; how mails are bundled, and how many there are."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.factors import with_app
from tests.support.tokens import later
from tests.support.users import PASSWORD
from tokens.accounts import factors
from tokens.audit import record
from tokens.models import Event, Kind, Notice, TrailReader
from tokens.notices.trail import read_trail
from tokens.origin import Origin, acting_from
from tokens.revocation import Selection, cut_off, revoke_matching, revoke_session, revoke_user
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db(transaction=True)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
HOME, PHONE = Origin(ip="203.0.113.9", user_agent=FIREFOX), Origin(ip="203.0.113.9", user_agent="P")


def sent(*words):
    """Run the command, and return the mails of this run and what it says."""
    before, said = len(mail.outbox), StringIO()
    call_command("send_notices", "--json", *words, stdout=said)
    return mail.outbox[before:], json.loads(said.getvalue())


def log_in(user, origin):
    with acting_from(origin):
        return open_session(user=user)


@pytest.fixture
def settled(alice):
    """Alice has logged in at home, and all of it is read."""
    log_in(alice, HOME)
    sent()
    return alice


def test_first_login_is_no_news(alice):
    log_in(alice, HOME)
    assert sent() == ([], {"sent": 0, "waiting": 0, "unconfirmed": 0, "failed": 0, "error": None})


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (HOME, False),
        (Origin(ip="203.0.113.200", user_agent=FIREFOX.replace("130", "131")), False),
        (PHONE, True),
        (Origin(ip="198.51.100.7", user_agent=FIREFOX), True),
    ],
)
def test_login_from_a_new_device_or_network_is_news(settled, origin, told):
    log_in(settled, origin)
    mails, _ = sent()
    assert len(mails) == told
    if told:
        (message,) = mails
        assert message.to == ["alice@example.com"]
        assert message.subject == "Token Portal: Login from a new device or network"
        assert origin.ip in message.body
        assert "https://portal.example.com/account/notices/?link=" in message.body
    assert sent()[0] == [], "and only once"


def test_browser_login_is_compared_with_earlier_browser_logins(client, alice):
    form = {"username": "alice", "password": PASSWORD}
    for agent, told in ((FIREFOX, 0), (FIREFOX, 0), ("Phone/2", 1), ("Phone/3", 0)):
        client.logout()
        client.post("/account/login/", form, HTTP_USER_AGENT=agent, REMOTE_ADDR="203.0.113.9")
        assert len(sent()[0]) == told, agent


def test_many_logins_at_once_do_not_hide_their_place(settled):
    """The latest sessions, which a login is compared with, are then all from the new place."""
    for _ in range(25):
        log_in(settled, PHONE)
    (message,) = sent()[0]
    assert message.body.count("Login from a new device") == 1


def test_revocation_by_staff_is_news_with_its_reason(settled, sam):
    revoke_session(session=log_in(settled, HOME).session, actor=sam, reason="lost device")
    with acting_from(Origin(ip="198.51.100.99", user_agent="Staff")):
        revoke_user(user=settled, actor=sam, reason="seen in a paste")
    (message,) = sent()[0]
    assert message.subject == "Token Portal: Several things happened to your account"
    assert "A session was ended (by staff)" in message.body
    assert "Reason: lost device" in message.body
    assert "Reason: seen in a paste" in message.body
    assert "198.51.100.99" not in message.body


def test_own_revocations_are_no_news(settled):
    revoke_session(session=log_in(settled, HOME).session, actor=settled, reason="logged out")
    revoke_user(user=settled, actor=settled, reason="ended by its owner")
    assert sent()[0] == []


def test_act_upon_many_is_news_for_each_of_them(alice, bob, sam):
    for user in (alice, bob, sam):
        open_session(user=user)
    sent()
    selection = Selection(users=(alice.pk, bob.pk, sam.pk))
    revoke_matching(selection=selection, actor=sam, reason="leak")
    mails, _ = sent()
    assert {message.to[0] for message in mails} == {"alice@example.com", "bob@example.com"}
    assert all("Reason: leak" in message.body for message in mails)


def test_cutoff_is_news_for_its_user_and_not_for_everybody(alice, bob, sam):
    open_session(user=alice), open_session(user=bob)
    sent()
    cut_off(user=None, actor=sam, reason="key leaked", not_before=None)
    assert sent()[0] == []
    cut_off(user=bob, actor=sam, reason="contract ended", not_before=None)
    assert [message.to for message in sent()[0]] == [["bob@example.com"]]


def test_changed_password_and_factors_are_news(settled):
    settled.set_password("another good one 7")
    settled.save()
    with_app(settled)
    factors.new_recovery_codes(settled)
    factors.remove(user=settled, factor=factors.factors_of(settled)[0])
    (message,) = sent()[0]
    for words in ("The password was changed", "New recovery codes", "factor was removed"):
        assert words in message.body


@pytest.mark.parametrize("change", [{"email": ""}, {"email": "x"}, {"is_active": False}])
def test_account_without_an_address_or_inactive_gets_no_mail(settled, change):
    log_in(settled, PHONE)
    User.objects.filter(pk=settled.pk).update(**change)
    assert sent()[0] == []
    assert not Notice.objects.exists()


def test_events_of_one_run_are_one_mail_for_each_user(settled, bob):
    open_session(user=bob)
    for number in range(4):
        log_in(settled, Origin(ip="203.0.113.9", user_agent=f"P{'x' * number}"))
    log_in(bob, PHONE)
    mails, _ = sent()
    assert sorted(message.to[0] for message in mails) == ["alice@example.com", "bob@example.com"]


def test_mail_lists_changes_however_many_logins_there_are(settled):
    for number in range(30):
        log_in(settled, Origin(ip="203.0.113.9", user_agent="P" * number))
    settled.set_password("another good one 7")
    settled.save()
    (message,) = sent()[0]
    assert message.body.count("Login from") == 10
    assert "The password was changed" in message.body
    assert "… and 20 more." in message.body


def test_cap_holds_mails_back_for_a_day_and_loses_none(settled, settings):
    settings.NOTICES_PER_DAY = 4
    for number in range(5):
        log_in(settled, Origin(ip="203.0.113.9", user_agent="P" * number))
        mails, said = sent()
        assert len(mails) == (number < 2), "logins use half of the mails of a day"
    assert said["waiting"] == 1
    settled.set_password("another good one 7")
    settled.save()
    (message,) = sent()[0]
    assert "The password was changed" in message.body
    assert message.body.count("Login from") == 3
    log_in(settled, Origin(ip="192.0.2.1", user_agent="other"))
    assert sent()[0] == []
    with later(hours=25):
        assert len(sent()[0]) == 1


def test_mails_are_in_the_language_that_a_function_tells(settled, settings):
    settings.NOTICE_LANGUAGE = "tests.notices.test_trail.german"
    log_in(settled, PHONE)
    (message,) = sent()[0]
    assert message.subject == "Token Portal: Anmeldung von einem neuen Gerät oder Netz"
    assert "Hallo alice" in message.body


def test_mails_are_in_the_language_of_the_last_login_on_a_page(client, settled):
    form = {"username": "alice", "password": PASSWORD}
    for wanted, words in (("de", "Anmeldung von einem"), ("en", "Login from a new")):
        client.logout()
        agent, headers = f"Browser {wanted}", {"accept-language": wanted}
        client.post("/account/login/", form, headers=headers, HTTP_USER_AGENT=agent)
        (message,) = sent()[0]
        assert words in message.subject


def german(user):
    return "de"


def test_first_run_begins_an_hour_back_and_old_events_are_no_news(alice):
    for hours in (30, 2):
        with later(hours=-hours):
            record(kind=Kind.PASSWORD_CHANGED, subject=alice)
    record(kind=Kind.FACTOR_REMOVED, subject=alice)
    (message,) = sent()[0]
    assert message.subject.endswith("A second factor was removed")
    with later(hours=30):
        TrailReader.objects.filter(name="notices").update(last_id=0)
        assert sent()[0] == []


def test_hostile_user_agent_makes_no_link_and_no_line(settled):
    agent = "http://evil.example/\r\nReason: click \u202e here"
    log_in(settled, Origin(ip="203.0.113.9", user_agent=agent))
    (message,) = sent()[0]
    assert "evil" not in message.body
    assert "Device: unknown" in message.body


def test_mail_that_fails_fails_no_login(client, settled, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    body = {"username": "alice", "password": PASSWORD}
    answer = client.post("/api/login", body, content_type="application/json")
    assert answer.status_code == 200
    with pytest.raises(SystemExit):
        sent()


def test_command_needs_an_address_for_links(settings):
    settings.PORTAL_URL = ""
    with pytest.raises(CommandError, match="PORTAL_URL must be set"):
        sent()


def test_deleted_account_takes_its_mails_with_it(settled, settings):
    settings.NOTICES_PER_DAY = 0
    log_in(settled, PHONE)
    sent()
    settled.delete()
    assert not Notice.objects.exists()


def test_row_of_a_mail_has_neither_text_nor_link(settled):
    log_in(settled, PHONE)
    (message,) = sent()[0]
    link = message.body.partition("link=")[2].split()[0]
    row = str(Notice.objects.values().get())
    assert link.split("%3A")[1] not in row
    assert "http" not in row
    assert link not in str(list(Event.objects.values()))


def test_act_upon_many_needs_no_statement_for_each_of_them(db, sam):
    def statements(number):
        names = [f"user{number}-{one}" for one in range(number)]
        rows = [User(username=name, email=f"{name}@example.com") for name in names]
        users = User.objects.bulk_create(rows)
        for user in users:
            record(kind=Kind.REVOKE_USER, actor=sam, subject=user, reason="x", count=1)
        with CaptureQueriesContext(connection) as seen:
            assert sum(read_trail()) == number
        return len(seen)

    sent()
    assert statements(18) == statements(3)


def test_mail_counts_events_that_are_purged_before_it_is_sent(settled):
    log_in(settled, PHONE)
    assert sum(read_trail()) == 1
    Notice.objects.update(events=[2**40])
    (message,) = sent()[0]
    assert "… and 1 more." in message.body
