"""A worker is killed under load: what was acknowledged holds, and nothing is half done."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support.lifecycle import pair_of
from tests.support.people import make_user
from tokens.models import Event, Kind, OutstandingToken, Session, SessionToken

PEOPLE = 8
SECONDS = 4


def workers(server):
    process = server.process.pid
    return [
        int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


@pytest.mark.slow
def test_every_acknowledged_revocation_holds(serve, db):
    if not Path("/proc/self/task").exists():
        pytest.skip("the children of a process are looked up in /proc")
    server = serve()
    people = [make_user(f"user{number}") for number in range(PEOPLE)]
    pairs = {user: [pair_of(user) for _ in range(60)] for user in people}
    until = time.monotonic() + SECONDS
    revoked: list[str] = []
    refreshed: list[str] = []

    def load(user):
        for pair in pairs[user]:
            if time.monotonic() > until:
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
        for _ in range(3):
            time.sleep(SECONDS / 6)
            os.kill(workers(server)[0], signal.SIGKILL)
        for one in running:
            one.result()

    assert len(revoked) > 20
    for refresh in revoked:
        answer = server.call("POST", "/api/verify", json={"token": refresh})
        assert answer.status_code == 401
    for session in Session.objects.select_related("current"):
        # A rotation is there with all that belongs to it, or not at all.
        tokens = SessionToken.objects.filter(session=session)
        assert tokens.count() == session.rotations + 1
        assert session.current in OutstandingToken.objects.filter(membership__in=tokens)
        kinds = Event.objects.filter(session_id=session.pk).values_list("kind", flat=True)
        assert list(kinds).count(Kind.REFRESH) == session.rotations
        assert list(kinds).count(Kind.LOGOUT) == (session.revoked_at is not None)
