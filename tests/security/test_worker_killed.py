"""A worker is killed under load: what was acknowledged holds, and nothing is half done."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import requests

from tests.support.tokens import pair_of
from tests.support.users import make_user
from tokens.models import Event as Line
from tokens.models import Kind, OutstandingToken, Session, SessionToken

PEOPLE = 8
KILLS = 3
# Acknowledged before each kill, and once more after the last: by count, not by time, so that a busy
# machine kills in the middle of the load too.
ROUND = 10
PATIENCE = 90


def workers(server):
    process = server.process.pid
    return [
        int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def wait_until(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "the portal did not go on"
        time.sleep(0.005)


@pytest.mark.slow
def test_acknowledged_revocations_survive_a_killed_worker(serve, db):
    if not Path("/proc/self/task").exists():
        pytest.skip("the children of a process are looked up in /proc")
    server = serve()
    people = [make_user(f"user{number}") for number in range(PEOPLE)]
    pairs = {user: [pair_of(user) for _ in range(60)] for user in people}
    enough = Event()
    revoked: list[str] = []
    refreshed: list[str] = []

    def load(user):
        for pair in pairs[user]:
            if enough.is_set():
                return
            try:
                answer = server.call("POST", "/api/refresh", json={"refresh": pair.refresh})
                if answer.status_code != 200:
                    continue
                refresh = answer.json()["refresh"]
                if server.call("POST", "/api/logout", json={"refresh": refresh}).status_code == 200:
                    revoked.append(refresh)
                else:
                    refreshed.append(refresh)
            except requests.RequestException:
                continue  # its worker was the one that was killed

    with ThreadPoolExecutor(PEOPLE) as pool:
        running = [pool.submit(load, user) for user in people]
        try:
            for kill in range(1, KILLS + 1):
                wait_until(lambda kill=kill: len(revoked) >= kill * ROUND)
                os.kill(workers(server)[0], signal.SIGKILL)
            wait_until(lambda: len(revoked) >= (KILLS + 1) * ROUND)
        finally:
            enough.set()
        for one in running:
            one.result()

    for refresh in revoked:
        answer = server.call("POST", "/api/verify", json={"token": refresh})
        assert answer.status_code == 401
    for session in Session.objects.select_related("current"):
        # A rotation is there with all that belongs to it, or not at all.
        tokens = SessionToken.objects.filter(session=session)
        assert tokens.count() == session.rotations + 1
        assert session.current in OutstandingToken.objects.filter(membership__in=tokens)
        kinds = Line.objects.filter(session_id=session.pk).values_list("kind", flat=True)
        assert list(kinds).count(Kind.REFRESH) == session.rotations
        assert list(kinds).count(Kind.LOGOUT) == (session.revoked_at is not None)
