"""No poller of the feed misses a revocation, in whatever order writers commit."""

import random
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from tests.support.database.pool import many_connections
from tests.support.tokens import pair_of
from tokens.models import Session
from tokens.revocation import revoke_session
from tokens.services.feed import read_feed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
POLLERS = 5


class Rolled(Exception):
    pass


def revoke(session, rng):
    """Revoke in a transaction that stays open for a while. Return whether it is committed."""
    try:
        with transaction.atomic():
            revoke_session(session=session, actor=None, reason="why")
            time.sleep(rng.choice([0, 0, 0.001, 0.01, 0.1]))
            if rng.random() < 0.2:
                raise Rolled
    except Rolled:
        return False
    return True


def write(sessions, committed, seed):
    rng = random.Random(seed)
    for session in sessions:
        if revoke(session, rng):
            committed[str(session.pk)] = time.monotonic()
    connection.close()


def poll(seen, stop, size):
    """Follow the feed until after ``stop``; ``seen`` gets each session with the time."""
    after = ""
    while True:
        last = stop.is_set()
        while (page := read_feed(after=after, size=size)).revocations:
            for one in page.revocations:
                seen.setdefault(one["sid"], []).append(time.monotonic())
            after = page.cursor
        after = page.cursor
        if last:
            break
        time.sleep(0.005)
    connection.close()


@pytest.mark.parametrize("size", [10_000, 3])
def test_no_poller_misses_a_revocation_of_many_writers(alice, size):
    postgresql = connection.vendor == "postgresql"
    writers, each = (20, 15) if postgresql else (3, 15)
    users = [User(username=f"user-{n}", password="x") for n in range(writers)]
    User.objects.bulk_create(users)
    shares = [
        [pair_of(user).session for _ in range(each)] for user in User.objects.exclude(pk=alice.pk)
    ]
    stop = threading.Event()
    committed: dict[str, float] = {}
    seen: list[dict[str, list[float]]] = [{} for _ in range(POLLERS)]
    pollers = [threading.Thread(target=poll, args=(own, stop, size)) for own in seen]
    workers = [
        threading.Thread(target=write, args=(share, committed, seed))
        for seed, share in enumerate(shares)
    ]
    with many_connections():
        for thread in (*pollers, *workers):
            thread.start()
        for thread in workers:
            thread.join()
        stop.set()
        for thread in pollers:
            thread.join()
    ended = {
        str(pk) for pk in Session.objects.exclude(revoked_at=None).values_list("pk", flat=True)
    }
    assert ended == committed.keys()
    assert 0 < len(ended) < writers * each
    for own in seen:
        assert own.keys() == ended
        # Each is told once to each poller, and no poll waits for a long transaction.
        assert all(len(times) == 1 for times in own.values())


@pytest.mark.postgresql
def test_revocation_is_told_while_an_earlier_transaction_stays_open(alice, bob):
    first, second = pair_of(alice).session, pair_of(bob).session
    started, go_on = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            revoke_session(session=first, actor=None, reason="why")
            started.set()
            go_on.wait(30)
        connection.close()

    start = read_feed().cursor
    holder = threading.Thread(target=hold)
    holder.start()
    assert started.wait(30)
    revoke_session(session=second, actor=None, reason="why")
    page = read_feed(after=start)
    assert page.revocations == [{"sid": str(second.pk)}]
    between = page.cursor
    assert read_feed(after=between).revocations == []
    go_on.set()
    holder.join()
    # Also for the reader that was told of the later one in the meantime.
    assert read_feed(after=between).revocations == [{"sid": str(first.pk)}]
