"""Twenty clients present one refresh token at once, over HTTP, to two workers (invariant 3)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.support.effort import times
from tests.support.tokens import pair_of
from tokens.models import Event as Line
from tokens.models import Kind, OutstandingToken, Session

CLIENTS = 20
ROUNDS = times(15)


def rounds(server, user):
    """Per round, the answers of all the clients."""
    barrier = Barrier(CLIENTS)

    def present(refresh):
        barrier.wait(30)
        return server.call("POST", "/api/refresh", json={"refresh": refresh})

    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(ROUNDS):
            pair = pair_of(user)
            yield list(pool.map(present, [pair.refresh] * CLIENTS))


@pytest.mark.slow
@pytest.mark.timeout(times(120))
def test_concurrent_refreshes_within_the_grace_get_the_same_successor(portal_server, alice):
    for answers in rounds(portal_server, alice):
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh"] for answer in answers}) == 1
    assert OutstandingToken.objects.count() == 2 * ROUNDS
    assert set(Session.objects.values_list("rotations", flat=True)) == {1}
    assert Line.objects.filter(kind=Kind.REFRESH).count() == ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(times(120))
def test_concurrent_refreshes_without_a_grace_succeed_exactly_once(serve, alice):
    server = serve(REFRESH_GRACE_SECONDS="0")
    for answers in rounds(server, alice):
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * (CLIENTS - 1)
    assert OutstandingToken.objects.count() == 2 * ROUNDS
    assert not Session.objects.filter(revoked_at=None).exists()
