"""Kill `send_notices` with SIGKILL between any two steps: each mail arrives once, never twice."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from tests.notices.sink import STEPS
from tests.support.server.portal import ROOT, environment
from tests.support.users import make_user
from tokens.audit import record
from tokens.models import Kind, Notice, NoticeState

pytestmark = [
    pytest.mark.django_db(transaction=True), pytest.mark.timeout(300), pytest.mark.slow,
]  # fmt: skip


def process(sink, *words, **options):
    env = environment(
        EMAIL_URL=sink.url, PORTAL_URL="https://portal.example.com", NOTICES_PER_DAY="0",
        EVENT_LOG="stderr", DATABASE_POOL_SIZE="0",
    )  # fmt: skip
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | options
    return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, **pipes)


def change_password(users):
    """Give a reason for one mail to each of the users."""
    for user in users:
        record(kind=Kind.PASSWORD_CHANGED, actor=user, subject=user)


def end_leases():
    """Let the next attempt begin now, instead of a minute after a killed one."""
    Notice.objects.filter(state=NoticeState.WAITING).update(due_at=timezone.now())
    connections.close_all()


@contextmanager
def following(sink):
    """Run the command, and restart it when it is killed, as a supervisor would."""
    running = []

    def start():
        running.append(process(sink, "manage.py", "send_notices", "--follow", "--pause=0.1"))

    def strike():
        running[-1].kill()
        assert running[-1].wait() == -signal.SIGKILL
        start()

    start()
    try:
        yield strike
    finally:
        running[-1].kill()
        running[-1].wait()


def wait_until(reached, seconds=100):
    until = time.monotonic() + seconds
    while not reached() and time.monotonic() < until:
        time.sleep(0.1)


def assert_each_once(sink, number):
    assert len(set(sink.ids)) == number, "one is missing"
    assert Counter(sink.ids).most_common(1)[0][1] == 1, "one came twice"


def test_command_killed_at_each_step_of_smtp_sends_each_mail_once(sink, db):
    users = [make_user(f"user{number}") for number in range(24)]
    change_password(users)
    with following(sink) as strike:
        sink.moods = [(step, strike) for step in STEPS * 3]
        wait_until(lambda: end_leases() or len(sink.ids) == 24)
        time.sleep(1)
    assert sink.moods == []
    # On a busy machine, a kill during the text may come after the mark, and before the dot.
    unconfirmed = Notice.objects.filter(state=NoticeState.HANDED_OVER)
    lost = [mail for mail in unconfirmed if str(mail.pk) not in str(sink.ids)]
    assert len(lost) <= 3
    assert_each_once(sink, 24 - len(lost))


def test_command_killed_a_hundred_times_between_any_steps_sends_no_mail_twice(sink, alice):
    """Each round has one mail, and is killed at any moment of the run that sends it.

    A mail arrives once, unless the kill hits the few steps between the mark and the end of the
    message.
    """
    with process(
        sink, "-m", "tests.notices.killer", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killer:

        def run(fatal=0):
            connections.close_all()
            killer.stdin.write(f"{fatal}\n")
            killer.stdin.flush()
            return int(killer.stdout.readline())

        run()
        change_password([alice])
        steps = run()
        assert len(sink.ids) == 1
        fatal = random.Random(7).sample(range(1, steps + 1), 130)
        lost = kills = 0
        for number, step in enumerate(fatal, start=2):
            change_password([alice])
            kills += run(step) == 0
            end_leases()
            run()
            unconfirmed = Notice.objects.filter(state=NoticeState.HANDED_OVER)
            missing = number - lost - len(sink.ids)
            assert missing in (0, 1), "one came twice"
            if missing:
                # No client can tell whether the server has it; it is shown, and not forgotten.
                lost += 1
                assert str(unconfirmed.latest("created_at").pk) not in str(sink.ids)
        killer.stdin.close()
    print(f"{steps} steps, {kills} kills, {lost} between the mark and the end of the message")
    assert kills >= 100
    assert_each_once(sink, len(fatal) + 1 - lost)
    assert Notice.objects.filter(state=NoticeState.WAITING).count() == 0
    assert lost <= 6


def test_killed_attempt_is_repeated_after_a_minute(sink, alice, settings):
    from tests.notices.test_trail import sent

    change_password([alice])
    struck = threading.Event()
    sink.moods = [("DATA", struck.wait)]
    running = process(sink, "manage.py", "send_notices")
    wait_until(lambda: sink.seen["DATA"])
    running.kill()
    struck.set()
    assert running.wait() == -signal.SIGKILL
    connections.close_all()
    _, said = sent()
    assert (said["sent"], said["waiting"]) == (0, 1)
    due = Notice.objects.get().due_at
    assert timedelta(seconds=40) < due - timezone.now() < timedelta(seconds=61)
    end_leases()
    assert sent()[1]["sent"] == 1
    assert_each_once(sink, 1)
