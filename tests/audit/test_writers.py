"""Seal and sum while other transactions write, and commit in another order than their ids."""

import random
import threading
import time

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from tests.audit.events import ids, seal, verify, write
from tests.support.effort import times
from tokens.audit.rollup import roll_up
from tokens.audit.watermark import StillWriting, high_water_mark
from tokens.models import Rollup, Seal

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = times(8)


def in_threads(number, act):
    failed = []

    def run():
        try:
            act()
        except Exception as error:  # noqa: BLE001
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads, failed


@pytest.mark.slow
@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_sealing_beside_writers_covers_every_event_and_verifies():
    def work():
        for _ in range(3):
            with transaction.atomic():
                write(random.randint(1, 4))
                time.sleep(random.random() / 200)
                if random.random() < 0.2:
                    transaction.set_rollback(True)

    verified = 1
    for _round in range(ROUNDS):
        threads, failed = in_threads(8, work)
        while any(thread.is_alive() for thread in threads):
            seal(size=7)
            list(roll_up(wait=5, size=5))
        for thread in threads:
            thread.join()
        assert failed == []
        seal(size=7)
        list(roll_up(wait=5))
        # The seals of this round, and the one that they follow; all of them again at the end.
        assert verify(start=verified) is None
        verified = Seal.objects.latest("number").number
    assert verify() is None
    assert Seal.objects.aggregate(n=Sum("count"))["n"] == len(ids())
    assert Rollup.objects.aggregate(n=Sum("events"))["n"] == len(ids())


@pytest.mark.postgresql
def test_sealing_waits_for_a_lower_id_that_commits_later():
    first, go = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            write(1)
            first.set()
            go.wait(60)

    threads, failed = in_threads(1, slow)
    assert first.wait(60)
    write(1)
    with pytest.raises(StillWriting):
        high_water_mark(wait=0.1)
    go.set()
    seal()
    threads[0].join()
    assert failed == []
    assert Seal.objects.get().count == 2
