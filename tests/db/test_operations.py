"""Migrations leave the tables usable, and can be interrupted and run again."""

import threading
import time
from contextlib import contextmanager
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django.db.models import Index

from portal.management.commands import migrate
from tests.support.server.portal import database_url
from tokens.db.operations import AddIndexGently, RemoveIndexGently
from tokens.models import Session

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
NAME = "tokens_session_next"
LIMITS = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"


def ask(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def indexes():
    return [row[0] for row in ask("SELECT indexrelid::regclass::text FROM pg_index")]


def run(*operations):
    """Run the operations as a migration of the app."""
    migration = Migration("next", "tokens")
    migration.operations, migration.atomic = list(operations), False
    state = ProjectState.from_apps(Session._meta.apps)
    with connection.schema_editor(atomic=False) as editor:
        return migration.apply(state, editor)


def add():
    return AddIndexGently("session", Index(fields=["ip"], name=NAME))


@pytest.fixture(autouse=True)
def _removed():
    yield
    ask(f"DROP INDEX IF EXISTS {NAME}")


def test_index_is_built_and_removed_without_limits_that_stay():
    ask("SET lock_timeout = '123ms'")
    before = ask(LIMITS)
    try:
        run(add(), RemoveIndexGently("session", NAME), add())
        assert ask(LIMITS) == before
        assert before[0][1] == "123ms"
    finally:
        ask("RESET lock_timeout")
    assert NAME in indexes()


@pytest.mark.parametrize("valid", [True, False])
def test_index_of_an_interrupted_migration_is_kept_or_built_again(valid):
    ask(f"CREATE INDEX {NAME} ON tokens_session (ip)")
    if not valid:
        ask(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{NAME}'::regclass")
    (before,) = ask(f"SELECT '{NAME}'::regclass::oid")
    run(add())
    assert ask(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{NAME}'::regclass") == [
        (True,)
    ]
    assert (ask(f"SELECT '{NAME}'::regclass::oid") == [before]) is valid


# --- `manage.py migrate`.


@contextmanager
def table_in_use():
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT 1 FROM tokens_session")
        yield other


@pytest.fixture
def behind():
    """Go back to before a migration that changes a table in use."""
    call_command("migrate", "tokens", "0038", verbosity=0)
    yield
    call_command("migrate", verbosity=0, stderr=StringIO())


def test_migrate_waits_for_a_table_in_use_without_holding_up_others(behind, monkeypatch):
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.2)
    said, longest = StringIO(), 0.0
    with table_in_use() as other, psycopg.connect(database_url(), autocommit=True) as third:
        migrating = threading.Thread(
            target=_migrate, kwargs={"stderr": said, "verbosity": 0}, daemon=True
        )
        migrating.start()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            began = time.monotonic()
            third.execute("SELECT 1 FROM tokens_session")
            longest = max(longest, time.monotonic() - began)
        assert migrating.is_alive()
        other.rollback()
        migrating.join(timeout=60)
    assert not migrating.is_alive()
    assert "A table is in use. Trying again" in said.getvalue()
    assert ask("SELECT name FROM tokens_session") == []
    assert longest < 1
    assert ask("SHOW lock_timeout") != [("300ms",)]


def _migrate(**options):
    try:
        call_command("migrate", **options)
    finally:
        connection.close()


def test_migrate_gives_up_with_a_reason(behind, monkeypatch):
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(migrate, "TRIES", 2)
    with table_in_use(), pytest.raises(CommandError, match="pg_stat_activity"):
        call_command("migrate", verbosity=0, stderr=StringIO())
