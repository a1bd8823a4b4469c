"""`deliver_events` as a process of its own, killed in the middle of a delivery, with a receiver
that loses connections, answers 500 and is too slow."""

import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.audit.events import ids
from tests.audit.hook import SECRET, Hook, arrived
from tests.support.server import ROOT, environment
from tokens.audit import record
from tokens.models import Kind, TrailReader

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]
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
def delivering(hook):
    """The command, started anew as often as it is killed, as a supervisor would."""
    words = [sys.executable, "manage.py", "deliver_events", "--follow", "--from-start"]
    env = environment(
        WEBHOOK_URL=f"http://127.0.0.1:{hook.server_port}/hook", WEBHOOK_SECRET=SECRET,
        EVENT_LOG="stderr",
    )  # fmt: skip
    running, killed, done = [], [], threading.Event()

    def start():
        running.append(
            subprocess.Popen(
                [*words, "--pause=0.1", "--timeout=1"],
                cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def strike():
        running[-1].kill()
        killed.append(running[-1].wait())
        if not done.is_set():
            start()

    hook.struck = strike
    start()
    try:
        yield killed
    finally:
        done.set()
        running[-1].kill()
        running[-1].wait()


def time_passes():
    """The lease of one that was killed ends after a minute, and a pause after seconds: not to be
    waited for here."""
    now = timezone.now()
    rows = TrailReader.objects.filter(name="webhook")
    held = rows.values_list("holder", "leased_until").first()
    # Only one that stands still; the lease of one that works is not to be touched.
    if held and held[1] and (held[1] - now).total_seconds() < 58:
        rows.filter(leased_until=held[1]).update(leased_until=now)
    rows.exclude(next_try_at=None).update(next_try_at=now)


def test_every_event_arrives_in_order_per_session(db):
    write(range(700))
    with Hook() as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
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
                time_passes()
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
