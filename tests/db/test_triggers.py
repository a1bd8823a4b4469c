"""Migrating again leaves the triggers alone, and mends those that are missing or have changed."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.migrations import (
    AddField,
    AddIndex,
    AlterField,
    CreateModel,
    Migration,
    RemoveField,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.models import Index, TextField

from tokens.audit import guards
from tokens.db import revocation_feed, session_origins
from tokens.models import Event, EventTarget, Seal, Session
from tokens.revocation import deactivation

INSTALLERS = [guards, session_origins, deactivation, revocation_feed]
# The guards of the trail name no column.
DROPPED = [session_origins, deactivation, revocation_feed]
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


def plan(operation, *, app="tokens", backwards=False):
    migration = Migration("next", app)
    migration.operations = [operation]
    return [(migration, backwards)]


ADDS = [
    AddField("session", "note", TextField(null=True)),
    AddIndex("session", Index(fields=["ip"], name="tokens_session_next")),
    CreateModel("Next", []),
    RunPython(RunPython.noop),
    SeparateDatabaseAndState(database_operations=[AddField("session", "note", TextField())]),
    SeparateDatabaseAndState(state_operations=[RemoveField("session", "ip")]),
]
CHANGES = [
    AlterField("session", "ip", TextField()),
    RemoveField("session", "ip"),
    RunSQL("ALTER TABLE tokens_session ALTER ip TYPE text"),
    SeparateDatabaseAndState(database_operations=[RemoveField("session", "ip")]),
]


@pytest.mark.postgresql
@pytest.mark.parametrize("module", DROPPED)
@pytest.mark.parametrize("operation", ADDS, ids=lambda adds: type(adds).__name__)
def test_migration_that_only_adds_leaves_the_triggers(installed, module, operation):
    before = triggers()
    module.before_migrate(using="default", plan=plan(operation))
    assert triggers() == before


@pytest.mark.parametrize("module", DROPPED)
@pytest.mark.parametrize("operation", CHANGES, ids=lambda changes: type(changes).__name__)
def test_triggers_are_dropped_for_a_migration_that_changes_a_column(installed, module, operation):
    before = triggers()
    module.before_migrate(using="default", plan=plan(operation))
    assert len(triggers()) < len(before)
    module.after_migrate(using="default")
    assert len(triggers()) == len(before)


@pytest.mark.parametrize("module", DROPPED)
def test_triggers_are_dropped_for_the_way_back(installed, module):
    before = triggers()
    module.before_migrate(using="default", plan=plan(ADDS[0], backwards=True))
    assert len(triggers()) < len(before)
    module.after_migrate(using="default")


@pytest.mark.postgresql
@pytest.mark.parametrize("module", DROPPED)
def test_migration_of_another_app_leaves_the_triggers(installed, module):
    before = triggers()
    module.before_migrate(using="default", plan=plan(CHANGES[0], app="sessions"))
    assert triggers() == before


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
