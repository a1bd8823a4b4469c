"""Each migration is safe while the release before still serves."""

import pytest
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterUniqueTogether,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RemoveIndex,
    RenameField,
    RenameModel,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.loader import MigrationLoader
from django.db.models import (
    CASCADE,
    BigAutoField,
    BigIntegerField,
    CharField,
    CheckConstraint,
    DateTimeField,
    ForeignKey,
    GenericIPAddressField,
    Index,
    IntegerField,
    Q,
    TextField,
)
from django.db.models.functions import Now

from tests.support import migration_rules as rules
from tests.support.migration_rules import faults
from tokens.db.operations import AddIndexGently, RemoveIndexGently

INITIAL = "0001_initial"
# Why a migration may break a rule. No release has been made without the migrations up to 0042.
FIRST_RELEASE = "The first release has it: nothing served beside it."
REASONS = {
    ("0002_groups", rules.HOLDS): "Two rows of groups.",
    ("0004_guards", rules.HOLDS): "It creates triggers, each with a statement of its own.",
    ("0010_session_ends_at", rules.NOT_REPEATABLE): FIRST_RELEASE,
    ("0014_event_kind_index", rules.NOT_REPEATABLE): FIRST_RELEASE,
    ("0014_event_kind_index", rules.INDEXES): FIRST_RELEASE,
    ("0016_revoked_sessions", rules.HOLDS): FIRST_RELEASE,
    ("0034_service_calls", rules.HOLDS): "A few rows of permissions and groups.",
    ("0036_view_signing_keys", rules.HOLDS): "A few rows of permissions and groups.",
}


def loaded():
    return MigrationLoader(None, ignore_no_migrations=True)


def names():
    return sorted(name for app, name in loaded().disk_migrations if app == "tokens")


@pytest.fixture(scope="module")
def loader():
    return loaded()


def found_in(loader, name):
    state = loader.project_state(("tokens", name), at_end=False)
    return faults(loader.disk_migrations["tokens", name], state)


@pytest.mark.parametrize("name", [name for name in names() if name != INITIAL])
def test_migration_is_safe_beside_the_release_before(loader, name):
    assert found_in(loader, name) == {rule for other, rule in REASONS if other == name}


# --- The rules themselves.

SAFE = [
    [AddField("session", "note", TextField(null=True))],
    [AddField("session", "note", CharField(max_length=9, default="", db_default=""))],
    [AlterField("session", "ip", GenericIPAddressField(null=True, verbose_name="other"))],
    [AlterField("session", "client", CharField(max_length=200))],
    [CreateModel("Next", [("id", BigAutoField(primary_key=True))]), RemoveField("next", "id")],
    [
        CreateModel("Next", [("id", BigAutoField(primary_key=True)), ("at", DateTimeField())]),
        AddIndex("next", Index(fields=["at"], name="tokens_next_at")),
    ],
    [SeparateDatabaseAndState(state_operations=[RemoveField("session", "ip")])],
]
UNSAFE = [
    (AddField("session", "note", TextField(default="")), rules.NOT_NULL),
    (AddField("session", "at", DateTimeField(null=True, db_default=Now())), rules.REWRITES),
    (AddField("session", "note", IntegerField(null=True, db_index=True)), rules.INDEXES),
    (
        AddField("session", "next", ForeignKey("tokens.event", CASCADE, null=True, db_index=False)),
        rules.VALIDATES,
    ),
    (AlterField("session", "ip", GenericIPAddressField()), rules.NOT_NULL),
    (AlterField("session", "ip", GenericIPAddressField(null=True, db_index=True)), rules.INDEXES),
    (AlterField("session", "client", CharField(max_length=10)), rules.RETYPES),
    (AlterField("session", "client", BigIntegerField()), rules.RETYPES),
    (AlterField("session", "name", CharField(max_length=60)), rules.NOT_NULL),
    (RemoveField("session", "ip"), rules.LOSES),
    (RenameField("session", "ip", "address"), rules.LOSES),
    (RenameModel("session", "login"), rules.LOSES),
    (DeleteModel("feedentry"), rules.LOSES),
    (AddIndex("session", Index(fields=["ip"], name="tokens_next")), rules.INDEXES),
    (RemoveIndex("session", "tokens_session_until"), rules.INDEXES),
    (
        AddConstraint("session", CheckConstraint(condition=Q(pk=None), name="never")),
        rules.VALIDATES,
    ),
    (AlterUniqueTogether("session", {("user", "ip")}), rules.UNREADABLE),
    (RunSQL("SELECT 1"), rules.UNREADABLE),
    (RunPython(print), rules.HOLDS),
    (AddIndexGently("session", Index(fields=["ip"], name="tokens_next")), rules.ATOMIC),
    (SeparateDatabaseAndState(database_operations=[RemoveField("session", "ip")]), rules.LOSES),
    (
        SeparateDatabaseAndState(state_operations=[RemoveField("session", "created_at")]),
        rules.NOT_NULL,
    ),
]


def found(loader, *operations, atomic=True):
    migration = Migration("next", "tokens")
    migration.operations, migration.atomic = list(operations), atomic
    return faults(migration, loader.project_state(("tokens", names()[-1])))


@pytest.mark.parametrize("operations", SAFE)
def test_safe_operations_break_no_rule(loader, operations):
    assert found(loader, *operations) == set()


@pytest.mark.parametrize(("operation", "rule"), UNSAFE)
def test_unsafe_operation_breaks_its_rule(loader, operation, rule):
    assert rule in found(loader, operation)


def test_migration_that_is_not_atomic_only_does_what_can_be_done_again(loader):
    index = Index(fields=["ip"], name="tokens_next")
    gentle = [AddIndexGently("session", index), RemoveIndexGently("session", "tokens_next")]
    assert found(loader, *gentle, RunPython(RunPython.noop), atomic=False) == set()
    column = AddField("session", "note", TextField(null=True))
    assert found(loader, column, atomic=False) == {rules.NOT_REPEATABLE}
