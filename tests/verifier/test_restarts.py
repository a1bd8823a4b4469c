"""No verifier misses a revocation, while many writers revoke and the portal is killed."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from token_portal_verifier import Invalid, Verifier

from tests.support.database.pool import many_connections
from tests.support.server.portal import PortalServer
from tests.support.server.proxy import Proxy
from tests.support.tokens import pair_of
from tests.verifier.conftest import within
from tokens.models import Session
from tokens.revocation import revoke_session

pytestmark = pytest.mark.slow
VERIFIERS, KILLS = 5, 3
# Revoked before each kill: by count and not by time, so that a busy machine kills in the middle.
ROUND = 20


class Rolled(Exception):
    pass


def write(sessions: list[Session], done: list[str], enough: threading.Event, seed: int) -> None:
    """Revoke one session after another, in transactions that stay open for a while."""
    rng = random.Random(seed)
    for session in sessions:
        try:
            with transaction.atomic():
                revoke_session(session=session, actor=None, reason="why")
                time.sleep(rng.choice([0, 0, 0.001, 0.01, 0.1]))
                if rng.random() < 0.2:
                    raise Rolled
        except Rolled:
            continue
        done.append(str(session.pk))
        # Until the portal was killed often enough, there is something left to revoke.
        enough.wait(rng.random())
    connection.close()


def kill(server: PortalServer) -> None:
    """Kill the server and its workers at once, as a power cut does."""
    master = server.process.pid
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    for pid in (master, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def test_no_verifier_misses_a_revocation_while_the_portal_is_killed(
    serve: Callable[..., Any],
    environment: dict[str, str],
    portal: PortalServer,
    proxy: Proxy,
    verifier: Callable[..., Verifier],
) -> None:
    if not Path("/proc/self/task").exists():
        pytest.skip("the children of a process are looked up in /proc")
    writers, each = (20, 15) if connection.vendor == "postgresql" else (3, 60)
    users = [User(username=f"user-{number}", password="x") for number in range(writers)]
    User.objects.bulk_create(users)
    shares = [[pair_of(user).session for _ in range(each)] for user in User.objects.all()]
    followers = [verifier(poll_interval=0.05) for _ in range(VERIFIERS)]
    for one in followers:
        with suppress(Invalid):
            one.verify("the first call starts the thread")
    done: list[str] = []
    enough = threading.Event()
    threads = [
        threading.Thread(target=write, args=(share, done, enough, seed))
        for seed, share in enumerate(shares)
    ]
    with many_connections():
        for thread in threads:
            thread.start()
        try:
            for number in range(1, KILLS + 1):
                assert within(90, lambda least=number * ROUND: len(done) >= least)
                kill(portal)
                proxy.drop()
                portal = serve(**environment)
                proxy.target = ("127.0.0.1", int(portal.url.rpartition(":")[2]))
                proxy.restore()
        finally:
            enough.set()
            for thread in threads:
                thread.join()
    ended = {
        str(pk) for pk in Session.objects.exclude(revoked_at=None).values_list("pk", flat=True)
    }
    assert ended == set(done)
    assert KILLS * ROUND <= len(ended) < writers * each
    for one in followers:
        assert within(90, lambda one=one: one._revocations.sessions >= ended)
        assert one._revocations.sessions == ended
