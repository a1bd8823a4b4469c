"""The command and each answer of a mail server."""

import signal
import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.notices.test_killed import change_password, end_leases, process, wait_until
from tests.notices.test_trail import sent
from tests.support.tokens import later
from tests.support.users import make_user
from tokens.models import Notice, NoticeState
from tokens.notices.trail import read_trail

pytestmark = pytest.mark.django_db(transaction=True)


def outcome():
    """Run the command. Returns what it says, and whether it failed."""
    try:
        return sent()[1], False
    except SystemExit:
        rows = Notice.objects.values_list("state", flat=True)
        return {state: list(rows).count(state) for state in NoticeState}, True


@pytest.mark.parametrize("step", ["RCPT", "DATA", "end"])
def test_mail_that_is_refused_for_good_fails_and_stops_no_other(sink, alice, bob, step):
    change_password([alice, bob])
    sink.moods = [(step, "550 no such mailbox")]
    said, failed = outcome()
    assert (said["sent"], said["failed"], failed) == (1, 1, False)
    assert "550 no such mailbox" in Notice.objects.get(state=NoticeState.FAILED).error
    assert sent()[1]["sent"] == 0
    assert sent("--again")[1]["sent"] == 1
    assert len(set(sink.ids)) == 2


@pytest.mark.parametrize("step", ["RCPT", "DATA", "end"])
def test_mail_that_is_refused_for_now_is_tried_again(sink, alice, bob, step):
    change_password([alice, bob])
    sink.moods = [(step, "451 try again later")]
    said, failed = outcome()
    assert (said["sent"], said["waiting"], failed) == (1, 1, False)
    end_leases()
    assert sent()[1]["sent"] == 1
    assert len(sink.ids) == len(set(sink.ids)) == 2


@pytest.mark.parametrize("act", ["421 closing", "554 not from you", "close"])
@pytest.mark.parametrize("step", ["connected", "MAIL"])
def test_server_that_takes_no_mail_ends_the_run_and_loses_nothing(sink, alice, bob, step, act):
    change_password([alice, bob])
    sink.moods = [(step, act)]
    said, failed = outcome()
    assert failed
    assert (said["waiting"], said["sent"], sink.ids) == (2, 0, [])
    end_leases()
    assert sent()[1]["sent"] == 2
    assert len(sink.ids) == len(set(sink.ids)) == 2


def test_server_that_breaks_off_before_the_end_has_taken_nothing(sink, alice):
    change_password([alice])
    sink.moods = [("DATA", "close")]
    said, failed = outcome()
    assert failed
    assert said["waiting"] == 1
    end_leases()
    assert sent()[1]["sent"] == 1


def test_mail_without_an_answer_is_unconfirmed_and_only_a_person_repeats_it(sink, alice, bob):
    change_password([alice, bob])
    sink.moods = [("taken", "close")]
    said, failed = outcome()
    assert (said["sent"], said["unconfirmed"], failed) == (1, 1, False)
    end_leases()
    assert sent()[1]["sent"] == 0
    assert sent("--again")[1]["sent"] == 0, "the answer may still come"
    with later(minutes=30):
        assert sent("--again")[1]["sent"] == 1
    assert len(sink.ids) == 3
    assert len(set(sink.ids)) == 2, "the repeated one has the same Message-ID"


def test_mail_is_given_up_after_two_days(sink, alice):
    change_password([alice])
    sink.moods = [("RCPT", "451 later")]
    sent()
    sink.moods = [("RCPT", "451 later")]
    with later(hours=49):
        _, said = sent()
    assert (said["waiting"], said["failed"]) == (0, 1)


def test_pauses_between_attempts_grow(sink, alice):
    change_password([alice])
    pauses = []
    for _ in range(8):
        end_leases()
        sink.moods = [("RCPT", "451 later")]
        sent()
        pauses.append(Notice.objects.get().due_at - timezone.now())
    assert pauses[0] < timedelta(minutes=1) < pauses[3] < pauses[6] < timedelta(hours=1)


def test_two_processes_at_once_send_each_mail_once(sink, db):
    change_password([make_user(f"user{number}") for number in range(30)])
    running = [process(sink, "manage.py", "send_notices") for _ in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    assert len(sink.ids) == len(set(sink.ids)) == 30


def test_process_whose_lease_is_over_sends_nothing(sink, alice):
    """Another process has begun another attempt while this one waited for the server."""
    change_password([alice])
    sink.moods = [("DATA", lambda: Notice.objects.update(attempts=2))]
    _, said = sent()
    assert (said["sent"], said["waiting"], sink.ids) == (0, 1, [])


def test_service_that_is_stopped_finishes_its_mail(sink, alice):
    change_password([alice])
    stopped = threading.Event()
    sink.moods = [("end", stopped.wait)]
    running = process(sink, "manage.py", "send_notices", "--follow")
    wait_until(lambda: sink.seen["end"])
    running.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    stopped.set()
    assert running.wait() == 0
    assert Notice.objects.get().state == NoticeState.SENT


def test_domain_of_an_address_goes_out_in_ascii(sink, alice):
    alice.email = "alice@bücher.example"
    alice.save()
    change_password([alice])
    assert sent()[1]["sent"] == 1
    assert sink.taken[0]["To"] == "alice@xn--bcher-kva.example"


def test_text_of_a_mail_arrives_as_it_was_written(sink, alice):
    alice.username = "Älice"
    alice.save()
    change_password([alice])
    sent()
    (mail,) = sink.taken
    assert "Hello Älice," in mail.get_content()
    assert mail["To"] == "alice@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == f"<{Notice.objects.get().pk}@portal.example.com>"


@pytest.mark.parametrize(
    "address",
    [
        '"\x0b\x0bno header"@example.com',
        '"\x1cBcc:other@example.com"@example.com',
        "\u017fam@example.com",
        f"alice@{'ü' * 62}.example.com",
    ],
)
def test_address_that_no_header_can_hold_gets_no_mail_and_delays_no_other(
    sink, alice, bob, address
):
    change_password([alice, bob])
    for _mails in read_trail():
        pass
    User.objects.filter(pk=alice.pk).update(email=address)
    said, failed = outcome()
    assert (said["sent"], said["failed"], failed) == (1, 1, False)
