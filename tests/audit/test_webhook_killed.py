"""Kill `deliver_events` with SIGKILL in the middle of deliveries to an unreliable receiver."""

import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.db import connections, transaction
from django.utils import timezone

from tests.audit.events import ids
from tests.audit.hook import POLL, SECRET, Hook, arrived
from tests.support.server.portal import ROOT, environment
from tokens.audit import record
from tokens.models import Kind, TrailReader
from tokens.revocation import Selection, revoke_matching
from tokens.sessions.issue import open_session

pytestmark = [
    pytest.mark.django_db(transaction=True), pytest.mark.timeout(180), pytest.mark.slow,
]  # fmt: skip
MOODS = [
    "ok", "not taken, killed", "drop", "taken, killed", "500", "ok", "slow", "taken but dropped",
    "redirect", "taken, killed", "ok", "not taken, killed",
]  # fmt: skip
SESSIONS = [uuid.uuid4() for _ in range(5)]


def write(numbers):
    with transaction.atomic():
        for number in numbers:
            record(kind=Kind.REFRESH, session=SESSIONS[number % 5], jti=str(number))


@contextmanager
def delivering(hook, **settings):
    """Run the command, and restart it each time it is killed, as a supervisor would."""
    words = [sys.executable, "manage.py", "deliver_events", "--follow"]
    env = environment(
        WEBHOOK_URL=f"http://127.0.0.1:{hook.server_port}/hook", WEBHOOK_SECRET=SECRET,
        EVENT_LOG="stderr", **settings,
    )  # fmt: skip
    running, killed, done = [], [], threading.Event()

    def start(*more):
        running.append(
            subprocess.Popen(
                [*words, "--pause=0.1", "--timeout=1", *more],
                cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def strike():
        running[-1].kill()
        killed.append(running[-1].wait())
        end_lease()
        if not done.is_set():
            start()

    hook.struck = strike
    start("--from-start")
    try:
        yield killed
    finally:
        done.set()
        running[-1].kill()
        running[-1].wait()


def end_lease():
    """End the lease that a killed process left, instead of waiting for the rest of a minute."""
    now = timezone.now()
    left = TrailReader.objects.get(name="webhook").leased_until
    assert left is not None
    assert 0 < (left - now).total_seconds() < 61
    TrailReader.objects.update(leased_until=now - timedelta(seconds=1))
    connections.close_all()


def end_pauses():
    """Let the next attempt begin now, instead of waiting for its pause."""
    TrailReader.objects.exclude(next_try_at=None).update(next_try_at=timezone.now())


def test_killed_delivery_repeats_events_and_skips_none(db):
    write(range(700))
    with Hook() as hook:
        threading.Thread(target=hook.serve_forever, args=[POLL], daemon=True).start()
        hook.moods, hook.slowness = list(MOODS), 2.5
        with delivering(hook) as killed:
            until = time.monotonic() + 150
            written = 700
            while time.monotonic() < until:
                if hook.moods and written < 1500:
                    write(range(written, written + 20))
                    written += 20
                elif not hook.moods and {e["id"] for e in arrived(hook)} == set(ids()):
                    break
                end_pauses()
                time.sleep(0.2)
        hook.shutdown()
    events = arrived(hook)
    assert killed == [-signal.SIGKILL] * sum("killed" in mood for mood in MOODS)
    seen: dict[int, Any] = {}
    for event in events:
        seen.setdefault(event["id"], event)
    assert set(seen) == set(ids())
    assert len(events) > len(seen), "a killed one repeats"
    for session in SESSIONS:
        order = [int(e["jti"]) for e in seen.values() if e["session_id"] == str(session)]
        assert order == sorted(order)


def test_killed_delivery_repeats_only_the_tokens_that_it_could_not_confirm(alice):
    ended = [open_session(user=alice).session.pk for _ in range(40)]
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=None, reason="leak")
    with Hook() as hook:
        threading.Thread(target=hook.serve_forever, args=[POLL], daemon=True).start()
        hook.moods = [*["ok"] * 7, "taken, killed", *["ok"] * 9, "not taken, killed", "ok"]
        with delivering(hook, WEBHOOK_FORMAT="caep") as killed:
            until = time.monotonic() + 60
            while len(hook.bodies) < 41 and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(0.5)
        hook.shutdown()
    assert killed == [-signal.SIGKILL] * 2
    tokens = [jwt.decode(body, options={"verify_signature": False}) for _, body in hook.bodies]
    sessions = [claims["sub_id"]["session"]["id"] for claims in tokens]
    assert set(sessions) == {str(pk) for pk in ended}
    assert len(sessions) == 41, "the receiver got one token that the killed process did not confirm"
    assert len({(claims["jti"], *claims["sub_id"]["session"].values()) for claims in tokens}) == 40
