"""Databases that restart, fail over, refuse writes or never answer."""

import time
from contextlib import ExitStack

import pytest
from django.utils.translation import override

from portal.postgres.connection import Connection, NoAnswer
from tests.support.server.cluster import cluster
from tests.support.server.portal import database_url
from tests.support.server.proxy import Proxy
from tests.support.users import PASSWORD
from tokens.web.errors import UNAVAILABLE, UNKNOWN

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
WHO = {"username": "alice", "password": PASSWORD}


def log_in(server):
    return server.call("POST", "/api/login", json=WHO)


def unable(answer, detail=UNAVAILABLE):
    with override("en"):
        assert (answer.status_code, answer.json()) == (503, {"detail": str(detail)})
    return int(answer.headers["Retry-After"]) > 0


def seconds_until_logins_work(server):
    began = time.monotonic()
    while (answer := log_in(server)).status_code != 200:
        assert unable(answer)
        assert time.monotonic() < began + 20
        time.sleep(0.1)
    return time.monotonic() - began


def test_portal_follows_the_writable_host_and_bounds_every_wait(serve, alice):
    with ExitStack() as stack:
        first, second = (stack.enter_context(cluster()) for _ in range(2))
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        server = serve(
            DATABASE_URL=f"postgres://postgres@{hosts}/postgres?target_session_attrs=read-write",
            DATABASE_TIMEOUT="1",
            WEB_CONCURRENCY="1",
        )
        assert log_in(server).status_code == 200

        # A commit waits for a standby that is lost.
        first.configure(synchronous_standby_names="lost")
        began = time.monotonic()
        assert unable(log_in(server), UNKNOWN)
        assert time.monotonic() - began < 15
        first.configure(synchronous_standby_names="")
        assert log_in(server).status_code == 200

        # No connection of the pool has learned of the change when it comes.
        second.configure(default_transaction_read_only="on")
        first.stop()
        assert unable(log_in(server))
        began = time.monotonic()
        for _ in range(4):
            assert unable(log_in(server))
        # The pool gives up at once while it knows that no host is there.
        assert time.monotonic() - began < 8
        second.configure(default_transaction_read_only="off")
        assert seconds_until_logins_work(server) < 5

        log = server.log.read_text()
        assert log.count("error connecting") == 1, log
        assert "reconnection attempt" not in log


def test_connection_that_began_read_only_is_replaced(serve, alice):
    with cluster() as database:
        database.sql("ALTER ROLE postgres SET default_transaction_read_only = on")
        server = serve(DATABASE_URL=database.url, WEB_CONCURRENCY="1")
        assert unable(log_in(server))
        database.sql("SET default_transaction_read_only = off", "ALTER ROLE postgres RESET ALL")
        assert server.call("GET", "/api/restricted").status_code == 401
        time.sleep(1)
        log_in(server)
        assert {log_in(server).status_code for _ in range(8)} == {200}
        database.stop()
        assert unable(log_in(server))
        database.start()
        assert log_in(server).status_code == 200


def test_host_that_does_not_answer_is_left_out_until_it_does(transactional_db):
    with cluster() as first, cluster() as second:
        hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{first.port},{second.port}"}

        def connect():
            began = time.monotonic()
            with Connection.connect(user="postgres", connect_timeout=2, **hosts) as opened:
                return opened.info.port, time.monotonic() - began

        assert connect()[0] == first.port
        with first.frozen():
            assert connect()[0] == second.port
            for _ in range(3):
                port, seconds = connect()
                assert port == second.port
                assert seconds < 1.5
        until = time.monotonic() + 20
        while connect()[0] != first.port:
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.fixture
def lost(transactional_db, monkeypatch):
    """Connect through a proxy that then passes nothing on."""
    to = database_url().rpartition("@")[2]
    address, _, name = to.partition("/")
    host, _, port = address.partition(":")
    monkeypatch.setattr(Connection, "limit", 1)
    with Proxy((host, int(port))) as proxy:
        who = database_url().partition("@")[0]

        def connect(**options):
            proxy.slow(0)
            opened = Connection.connect(f"{who}@127.0.0.1:{proxy.port}/{name}", **options)
            opened.execute("SELECT 1")
            proxy.slow(30)
            return opened

        yield connect


def test_outcome_is_unknown_only_if_a_commit_was_lost(lost):
    with pytest.raises(NoAnswer) as in_transaction:
        lost().execute("SELECT 2")
    with pytest.raises(NoAnswer) as alone:
        lost(autocommit=True).execute("SELECT 2")
    committing = lost()
    with pytest.raises(NoAnswer) as commit:
        committing.commit()
    assert committing.closed
    found = [raised.value.outcome_unknown for raised in (in_transaction, alone, commit)]
    assert found == [False, True, True]
