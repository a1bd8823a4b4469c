"""A database that is unavailable, read-only, full or slow leads to a 503 with Retry-After.

It never decides about a token, and after the outage the portal works without a restart.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from tests.support.server.portal import database_url
from tests.support.server.proxy import Proxy
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.models import Session

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]


@pytest.fixture
def proxy(transactional_db):
    to = connection.settings_dict
    with Proxy((to["HOST"] or "127.0.0.1", int(to["PORT"] or 5432))) as running:
        yield running


def through(proxy, user=None):
    """DATABASE_URL through the proxy, as another role where one is named."""
    who, _, where = database_url().removeprefix("postgres://").partition("@")
    return f"postgres://{user or who}@127.0.0.1:{proxy.port}/{where.partition('/')[2]}"


def calls(server, pair):
    """One of each kind of call; none of them uses the pair's refresh token up."""
    wrong = {"username": "nobody", "password": "wrong"}
    return [
        server.call("GET", "/api/restricted", token=pair.access),
        server.call("POST", "/api/verify", json={"token": pair.refresh}),
        server.call("POST", "/api/login", json=wrong),
    ]


def sql(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def end_other_connections():
    sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def unable(answer):
    return answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0


def works(server, pair):
    """Every kind of call; twice, so that both workers are asked.

    A worker may still wait for its next attempt to connect, which comes within a second.
    """
    until, answered = time.monotonic() + 2, 0
    while answered < 4 and time.monotonic() < until:
        answer = server.call("GET", "/api/restricted", token=pair.access)
        answered = answered + 1 if answer.status_code == 200 else 0
    for _ in range(2):
        assert [answer.status_code for answer in calls(server, pair)] == [200, 200, 401]
    answer = server.call("POST", "/api/refresh", json={"refresh": pair.refresh})
    assert answer.status_code == 200


def test_portal_recovers_without_restart_after_the_database_was_away(serve, proxy, alice):
    server = serve(DATABASE_URL=through(proxy))
    pair = pair_of(alice)
    assert [answer.status_code for answer in calls(server, pair)] == [200, 200, 401]
    proxy.drop()
    refresh = server.call("POST", "/api/refresh", json={"refresh": pair.refresh})
    assert all(unable(answer) for answer in [*calls(server, pair), refresh])
    assert server.call("GET", "/healthz").status_code == 200
    assert unable(server.call("GET", "/readyz"))
    proxy.restore()
    works(server, pair)


def test_portal_recovers_from_a_database_restart(serve, proxy, alice):
    server = serve(DATABASE_URL=through(proxy))
    pair = pair_of(alice)
    for _ in range(3):
        calls(server, pair)
    end_other_connections()
    works(server, pair)


@contextmanager
def read_only():
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    end_other_connections()
    try:
        yield
    finally:
        sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        end_other_connections()


def test_read_only_database_is_read_and_writes_get_a_503(serve, alice):
    server = serve()
    pair = pair_of(alice)
    with read_only():
        bearer, verify, login = calls(server, pair)
        assert (bearer.status_code, verify.status_code) == (200, 200)
        assert unable(login)
        assert unable(server.call("POST", "/api/refresh", json={"refresh": pair.refresh}))
        assert unable(server.call("POST", "/api/logout", json={"refresh": pair.refresh}))
    works(server, pair)


@pytest.fixture
def role(transactional_db):
    """Return a database role without a superuser's exemptions, as in a deployment."""
    name = f"portal_{connection.settings_dict['NAME'][-40:]}"
    sql(
        f"CREATE ROLE {name} LOGIN",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}",
    )
    yield name
    end_other_connections()
    sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_database_at_its_connection_limit_is_a_503(serve, proxy, role, alice):
    server = serve(DATABASE_URL=through(proxy, role))
    pair = pair_of(alice)
    sql(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    end_other_connections()
    assert all(unable(answer) for answer in calls(server, pair))
    sql(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    works(server, pair)


def test_role_that_cannot_write_events_is_a_503(serve, proxy, role, alice):
    server = serve(DATABASE_URL=through(proxy, role))
    pair = pair_of(alice)
    sql(f"REVOKE INSERT ON tokens_event FROM {role}")
    who = {"username": "alice", "password": PASSWORD}
    assert unable(server.call("POST", "/api/login", json=who))
    assert unable(server.call("POST", "/api/logout", json={"refresh": pair.refresh}))
    sql(f"GRANT INSERT ON tokens_event TO {role}")
    works(server, pair)


def test_slow_database_still_gets_correct_responses(serve, proxy, alice):
    server = serve(DATABASE_URL=through(proxy))
    pair = pair_of(alice)
    proxy.slow(0.05)
    works(server, pair)


@contextmanager
def events_take_for_ever():
    sql(
        "CREATE FUNCTION wait_for_ever() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$",
        "CREATE TRIGGER wait_for_ever BEFORE INSERT ON tokens_event "
        "FOR EACH ROW EXECUTE FUNCTION wait_for_ever()",
    )
    try:
        yield
    finally:
        sql("DROP FUNCTION wait_for_ever() CASCADE")


def test_database_that_exceeds_the_timeout_is_a_503(serve, alice):
    """A statement can take half a minute, and reads are answered while it runs."""
    server = serve()
    pair = pair_of(alice)
    writes = [
        ("/api/login", {"username": "alice", "password": PASSWORD}),
        ("/api/refresh", {"refresh": pair.refresh}),
        ("/api/login", {"username": "nobody", "password": "wrong"}),
    ]
    with events_take_for_ever(), ThreadPoolExecutor(len(writes)) as pool:
        waiting = [
            pool.submit(server.call, "POST", path, json=body, timeout=90) for path, body in writes
        ]
        assert server.call("GET", "/api/restricted", token=pair.access).status_code == 200
        assert all(unable(answer.result()) for answer in waiting)
    works(server, pair)


def test_lock_that_is_never_released_is_a_503(serve, alice):
    """A forgotten transaction that locks the session makes the refresh give up with a 503."""
    server = serve()
    pair = pair_of(alice)
    with transaction.atomic():
        list(Session.objects.select_for_update())
        assert server.call("GET", "/api/restricted", token=pair.access).status_code == 200
        assert unable(server.call("POST", "/api/refresh", json={"refresh": pair.refresh}))
    works(server, pair)
