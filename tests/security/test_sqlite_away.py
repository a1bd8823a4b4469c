"""SQLite that is locked, read-only or missing: 503 with Retry-After, and then as before."""

import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from django.db import connection

from tests.support.database.snapshot import snapshot
from tests.support.tokens import failed, pair_of
from tests.support.users import PASSWORD

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@contextmanager
def locked():
    """Another process is in the middle of a write that does not end."""
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout = 100")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.rollback()


@contextmanager
def read_only():
    connection.ensure_connection()
    connection.connection.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        connection.connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize("fault", [locked, read_only])
def test_unwritable_sqlite_file_is_read_and_writes_get_a_503(api, alice, fault):
    pair = pair_of(alice)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair.access}"}
    with fault():
        writes = [
            api.post("/api/refresh", {"refresh": pair.refresh}, format="json"),
            api.post("/api/logout", {"refresh": pair.refresh}, format="json"),
            api.post("/api/login", {"username": "alice", "password": PASSWORD}, format="json"),
        ]
        assert [answer.status_code for answer in writes] == [503] * 3
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in writes)
        assert api.get("/api/restricted", **bearer).status_code == 200
    assert api.post("/api/refresh", {"refresh": pair.refresh}, format="json").status_code == 200


@contextmanager
def full():
    """No page more than there are: what a full disk does to SQLite."""
    connection.ensure_connection()
    execute = connection.connection.execute
    execute("CREATE TABLE filler (x)")
    (pages,) = execute("PRAGMA page_count").fetchone()
    execute(f"PRAGMA max_page_count = {pages}")
    with suppress(sqlite3.OperationalError):
        while True:  # into what other tests have left free
            execute("INSERT INTO filler VALUES (zeroblob(4000))")
    try:
        yield
    finally:
        execute("PRAGMA max_page_count = 4294967294")
        execute("DROP TABLE filler")


def test_full_disk_is_a_503_and_loses_nothing(api, alice):
    who = {"username": "alice", "password": PASSWORD}
    pair = pair_of(alice)
    with full():
        # The last pages have some room left; each login that fits is there as a whole.
        for _ in range(500):
            before = snapshot()
            answer = api.post("/api/login", who, format="json")
            if answer.status_code != 200:
                break
            assert failed(answer.json()["access"]) is None
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert snapshot() == before
        assert failed(pair.access) is None
    assert api.post("/api/refresh", {"refresh": pair.refresh}, format="json").status_code == 200


@pytest.mark.slow
def test_portal_recovers_after_the_sqlite_file_was_missing(serve, alice, tmp_path: Path):
    folder = tmp_path / "volume"
    folder.mkdir()
    pair = pair_of(alice)
    server = serve(DATABASE_URL=f"sqlite:///{folder / 'portal.sqlite3'}")
    # The volume goes away after the start; without it the server would refuse to start.
    shutil.rmtree(folder)
    for call in (
        server.call("GET", "/api/restricted", token=pair.access),
        server.call("POST", "/api/refresh", json={"refresh": pair.refresh}),
        server.call("GET", "/readyz"),
    ):
        assert call.status_code == 503
        assert int(call.headers["Retry-After"]) > 0
    folder.mkdir()
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
        closing(sqlite3.connect(folder / "portal.sqlite3")) as copy,
    ):
        source.backup(copy)
    assert server.call("GET", "/api/restricted", token=pair.access).status_code == 200
    answer = server.call("POST", "/api/refresh", json={"refresh": pair.refresh})
    assert answer.status_code == 200
