"""Probes answer within a second, whatever the database and the other requests do."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server.cluster import cluster
from tests.support.tokens import pair_of

SLOWEST = 1.0


def probe(server, path="/readyz", **kwargs):
    began = time.monotonic()
    answer = server.call("GET", path, **kwargs)
    assert time.monotonic() - began < SLOWEST
    return answer


def becomes(portal, **state):
    """Wait until the portal's own report has these values; return the last answer."""
    until = time.monotonic() + 10
    while True:
        answer = probe(portal)
        if state.items() <= answer.json().items():
            return answer
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)


@pytest.mark.postgresql
@pytest.mark.slow
def test_probes_tell_the_truth_while_the_database_comes_and_goes(serve, alice):
    pair = pair_of(alice)
    with cluster() as database:
        server = serve(
            DATABASE_URL=database.url,
            WEB_CONCURRENCY="1",
            WEB_THREADS="2",
            DATABASE_POOL_SIZE="2",
        )
        assert probe(server).json() == {"ready": True, "database": "ok", "cache": "ok"}

        with ThreadPoolExecutor(6) as pool:
            with database.frozen():
                calls = [
                    pool.submit(server.call, "GET", "/api/restricted", token=pair.access)
                    for _ in range(6)
                ]
                answer = becomes(server, ready=False, database="away")
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                for _ in range(5):
                    assert probe(server, "/healthz").status_code == 200
                    assert probe(server).status_code == 503
            assert {call.result().status_code for call in calls} == {200}
        assert becomes(server, ready=True).status_code == 200

        database.configure(default_transaction_read_only="on")
        assert becomes(server, ready=False, database="not writable").status_code == 503
        database.configure(default_transaction_read_only="off")
        becomes(server, ready=True)

        database.sql("UPDATE django_migrations SET app = 'x' WHERE name = '0002_groups'")
        assert becomes(server, ready=False, database="not migrated").status_code == 503
        database.sql("UPDATE django_migrations SET app = 'tokens' WHERE app = 'x'")
        becomes(server, ready=True)

        database.sql("CREATE TABLE tokens_unfinished_move ()")
        assert becomes(server, ready=False, database="not moved yet").status_code == 503
        database.sql("DROP TABLE tokens_unfinished_move")
        becomes(server, ready=True)

        database.stop()
        becomes(server, ready=False, database="away")
        database.start()
        becomes(server, ready=True)


def test_probes_answer_under_any_host_header(portal_server):
    strange = {"Host": "198.51.100.7:8080"}
    for path in ("/healthz", "/readyz", "/metrics"):
        assert portal_server.call("GET", path, headers=strange).status_code == 200, path
    for path in ("/api/restricted", "/staff/login/"):
        assert portal_server.call("GET", path, headers=strange).status_code == 400, path


@pytest.mark.once
def test_server_that_stops_is_not_ready_first_and_still_answers(serve):
    server = serve(DRAIN_SECONDS="2", WEB_CONCURRENCY="1")
    assert probe(server).status_code == 200
    server.process.send_signal(signal.SIGTERM)
    assert becomes(server, ready=False, server="draining").status_code == 503
    assert server.call("GET", "/api/restricted").status_code == 401
    assert server.process.wait(timeout=20) == 0
