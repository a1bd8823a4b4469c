"""Migrating again leaves the triggers alone, and mends those that are missing or have changed."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from tokens.audit import guards
from tokens.db import revocation_feed, session_origins
from tokens.models import Event, EventTarget, Seal, Session
from tokens.revocation import deactivation

INSTALLERS = [guards, session_origins, deactivation, revocation_feed]
TABLES = [model._meta.db_table for model in (Event, EventTarget, Seal, Session, User)]
TRIGGERS = {
    "postgresql": "SELECT oid, xmin::text, tgname FROM pg_trigger WHERE NOT tgisinternal",
    "sqlite": "SELECT rowid, name, sql FROM sqlite_master WHERE type = 'trigger'",
}
# The locks that a SELECT takes.
HELD = """SELECT relation::regclass::text, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND relation::regclass::text = ANY(%s) AND mode <> 'AccessShareLock'"""


def rows(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return sorted(cursor.fetchall())


def triggers():
    return rows(TRIGGERS[connection.vendor])


@pytest.fixture
def installed(transactional_db):
    for module in INSTALLERS:
        module.install(connection)


@pytest.mark.parametrize("module", INSTALLERS)
def test_installing_again_changes_no_trigger(installed, module):
    before = triggers()
    module.install(connection)
    assert triggers() == before


@pytest.mark.postgresql
@pytest.mark.parametrize("module", INSTALLERS)
def test_migrating_again_locks_no_table(installed, module):
    with transaction.atomic():
        module.after_migrate(using="default")
        assert rows(HELD, TABLES) == []


@pytest.mark.parametrize("module", INSTALLERS)
def test_missing_triggers_are_created(installed, module):
    before = {row[-1] if connection.vendor == "postgresql" else row[1:] for row in triggers()}
    module.drop(connection)
    assert len(triggers()) < len(before)
    module.install(connection)
    after = {row[-1] if connection.vendor == "postgresql" else row[1:] for row in triggers()}
    assert after == before


@pytest.mark.postgresql
@pytest.mark.parametrize(
    "spoil",
    [
        "ALTER TABLE tokens_event DISABLE TRIGGER tokens_event_append_only",
        "COMMENT ON TRIGGER tokens_event_append_only ON tokens_event IS 'an earlier definition'",
        "COMMENT ON TRIGGER tokens_event_append_only ON tokens_event IS NULL",
    ],
)
def test_trigger_that_is_disabled_or_of_an_earlier_release_is_replaced(installed, spoil):
    with connection.cursor() as cursor:
        cursor.execute(spoil)
    guards.install(connection)
    ((enabled, comment),) = rows(
        "SELECT tgenabled::text, obj_description(oid, 'pg_trigger') FROM pg_trigger"
        " WHERE tgname = 'tokens_event_append_only'"
    )
    assert (enabled, len(comment)) == ("O", 64)


@pytest.mark.sqlite
def test_trigger_of_an_earlier_release_is_replaced_on_sqlite(installed):
    before = triggers()
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER tokens_seal_no_update")
        cursor.execute(
            "CREATE TRIGGER tokens_seal_no_update BEFORE UPDATE ON tokens_seal BEGIN SELECT 1; END"
        )
    guards.install(connection)
    assert {row[1:] for row in triggers()} == {row[1:] for row in before}
