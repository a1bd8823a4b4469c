"""Events can be kept in partitions by id, which retention drops."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.state import ProjectState
from django.utils import timezone

from tests.audit.events import ids, seal, sql, unguarded, verify, write
from tests.support.tokens import pair_of
from tokens.audit import partitions as parts
from tokens.audit.partitions import FIRST, REST, add_ahead, begin, is_partitioned, partitions
from tokens.audit.retention import Overtaken, remove_events
from tokens.audit.tampered import Tampered
from tokens.db.event_ids import last_id
from tokens.db.operations import AddIndexGently, RemoveIndexGently
from tokens.listing.estimates import estimate
from tokens.listing.events import EventQuery
from tokens.models import Event, EventTarget, Kind, Seal
from tokens.revocation import revoke_user

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tokens_event' ORDER BY 1"


def ask(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def where(event):
    """Return the name of the partition that holds an event."""
    ((name,),) = ask("SELECT tableoid::regclass::text FROM tokens_event WHERE id = %s", event.pk)
    return name


def purge():
    later = timezone.now() + timedelta(seconds=1)
    return list(remove_events(before=later, actor=None, reason="ninety days"))


@pytest.fixture
def divided():
    """Three partitions: ten events in the first, and places for twenty in each other one."""
    write(5)
    begin(size=20, room=6)
    write(5)


def names():
    return [one.name.removeprefix("tokens_event_") for one in partitions()]


def test_events_and_indexes_are_those_of_before():
    before = write(3), ask(INDEXES), last_id()
    begin(size=20, room=5)
    assert is_partitioned()
    assert list(Event.objects.order_by("pk")) == before[0]
    assert [name for name, _ in ask(INDEXES)] == [name for name, _ in before[1]]
    assert last_id() == before[2]
    new = write(1)[0]
    assert new.pk > before[0][-1].pk
    assert {where(new), where(before[0][0])} == {FIRST}
    # Each index of the first partition was taken over, and none was built again.
    assert ask("SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", FIRST) == ask(
        "SELECT count(*) FROM pg_index WHERE indrelid = 'tokens_event'::regclass"
    )
    assert not ask("SELECT 1 FROM pg_constraint WHERE conname = %s", parts.BOUND)


def test_new_events_go_to_the_partition_of_their_id(divided):
    first, second = partitions()
    assert (first.name, second.start, second.end) == (FIRST, first.end, first.end + 20)
    assert {where(event) for event in write(20)} == {second.name}
    assert add_ahead() == 1
    assert partitions()[2].name == f"tokens_event_from_{second.end}"
    assert where(write(1)[0]) == partitions()[2].name
    assert add_ahead() == 1
    assert add_ahead() == 0


def test_event_without_a_partition_is_written_and_later_ones_are_ahead(divided):
    write(20)
    late = write(3)
    assert where(late[0]) == REST
    assert add_ahead() == 1
    newest = partitions()[-1]
    assert newest.start > last_id()
    assert newest.end - newest.start == 20
    assert {where(event) for event in write(newest.start - last_id() + 1)} == {REST, newest.name}
    assert Event.objects.count() == len(ids())


@pytest.mark.parametrize("of", ["tokens_event", FIRST, REST])
@pytest.mark.parametrize("act", ["DELETE FROM", "TRUNCATE", "UPDATE"])
def test_no_partition_can_be_changed(divided, of, act):
    statement = f"UPDATE {of} SET reason = 'x'" if act == "UPDATE" else f"{act} {of}"
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql(statement)


def test_retention_drops_what_is_wholly_old_and_deletes_the_rest(divided):
    seal(size=4)
    write(22)
    seal(size=4)
    kept = Seal.objects.latest("number")
    assert names() == ["first", f"from_{partitions()[1].start}"]
    assert sum(purge()) == 32
    assert Event.objects.get(kind=Kind.PURGED, data__seals__0=1).reason == "ninety days"
    assert not Event.objects.exclude(kind=Kind.PURGED).exists()
    # The newest partition was added before, and the two that were emptied are gone.
    assert names() == [f"from_{partitions()[0].start}"]
    assert verify(against={kept.number: kept.digest}) is None
    seal()
    assert verify() is None


def test_one_statement_drops_a_partition(divided):
    seal()
    statements = []

    def note(execute, statement, params, many, context):
        statements.append(statement)
        return execute(statement, params, many, context)

    with connection.execute_wrapper(note):
        assert sum(purge()) == 10
    dropped = [one for one in statements if one.startswith("DROP TABLE")]
    assert dropped == [f"DROP TABLE {FIRST}"]
    deletions = [one for one in statements if one.startswith('DELETE FROM "tokens_event"')]
    assert len(deletions) == 2, "those that belong to the neighbours"
    # The lock on the whole trail is held from the drop on.
    assert statements.index(dropped[0]) > statements.index(deletions[-1])
    late = statements[statements.index(dropped[0]) :]
    assert not [one for one in late if one.startswith("DELETE")]


def test_younger_events_keep_their_partition(divided):
    seal(size=4)
    old = timezone.now()
    write(2)
    seal(size=4)
    removed = list(remove_events(before=old, actor=None, reason="x"))
    assert (sum(removed), len(names())) == (10, 2)
    assert len(ids()) == 2 + 1
    assert verify() is None


def test_partition_is_dropped_when_its_last_event_is_old(divided):
    write(3)
    seal()
    assert sum(purge()) == 13
    before = names()
    write(20)
    seal()
    assert sum(purge()) == 21
    assert before[0] not in names()
    assert verify() is None


def test_targets_of_dropped_events_are_deleted(divided, alice, bob):
    pair_of(bob)
    revoke_user(user=bob, actor=alice, reason="left")
    seal()
    (before,) = EventTarget.objects.values_list("event_id", flat=True)
    write(25)
    seal()
    purge()
    assert before < partitions()[0].start
    assert not EventTarget.objects.exists()
    assert verify() is None


def test_changed_event_keeps_its_partition_and_stops_retention(divided):
    seal(size=4)
    write(22)
    seal(size=4)
    with unguarded():
        sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", ids()[6])
    with pytest.raises(Tampered):
        purge()
    assert names()[0] == "first"
    assert len(ids()) == 32


def test_owner_and_rights_stay():
    sql("CREATE ROLE partition_writer")
    sql("GRANT SELECT, INSERT ON tokens_event TO partition_writer")
    sql("GRANT USAGE ON SEQUENCE tokens_event_id_seq TO partition_writer WITH GRANT OPTION")
    begin(size=20, room=5)
    sql("SET LOCAL ROLE partition_writer")
    ask("SELECT * FROM tokens_event")
    assert last_id() >= 0
    with pytest.raises(Exception, match="must be owner"), transaction.atomic():
        sql("DROP TABLE tokens_event_first")
    with pytest.raises(Exception, match="permission denied"), transaction.atomic():
        ask("SELECT * FROM tokens_event_rest")
    sql("RESET ROLE")


def test_role_without_the_tables_is_told_so():
    sql("CREATE ROLE partition_reader")
    sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO partition_reader")
    sql("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO partition_reader")
    sql("SET LOCAL ROLE partition_reader")
    with pytest.raises(CommandError, match="run the command with the role that owns the tables"):
        call_command("partition_events", events=100_000)
    sql("RESET ROLE")
    assert not is_partitioned()


def test_second_run_finds_the_work_done(divided):
    before = partitions()
    begin(size=20, room=6)
    assert partitions() == before
    assert not ask("SELECT 1 FROM pg_constraint WHERE conname = %s", parts.BOUND)


def test_retention_removes_what_an_interrupted_run_left():
    write(3)
    sql(f"ALTER TABLE tokens_event ADD CONSTRAINT {parts.BOUND} CHECK (id < 10^6) NOT VALID")
    purge()
    assert not ask("SELECT 1 FROM pg_constraint WHERE conname = %s", parts.BOUND)


def test_interrupted_run_is_run_again():
    write(3)
    sql(f"ALTER TABLE tokens_event ADD CONSTRAINT {parts.BOUND} CHECK (id < {last_id() + 1})")
    begin(size=20, room=6)
    assert where(write(1)[0]) == FIRST
    assert partitions()[0].end == last_id() + 5


def test_events_with_ids_of_the_future_hold_up_no_partition(divided):
    newest = partitions()[-1]
    for strange in (newest.end + 3, newest.end + 21, 2**62):
        Event.objects.create(pk=strange, kind=Kind.LOGIN, at=timezone.now())
    write(20)
    assert add_ahead() == 1
    assert partitions()[-1].start == newest.end + 22
    assert where(write(1)[0]) in {newest.name, REST}


def test_event_with_an_id_of_the_future_refuses_the_division():
    write(1)
    Event.objects.create(pk=2**62, kind=Kind.LOGIN, at=timezone.now())
    with pytest.raises(CommandError, match="An event has an id that the portal has not given"):
        call_command("partition_events", events=100_000)
    assert not is_partitioned()
    assert not ask("SELECT 1 FROM pg_constraint WHERE conname = %s", parts.BOUND)


def test_run_that_another_one_overtakes_says_so(divided):
    seal(size=4)
    write(22)
    seal(size=4)
    slow = remove_events(before=timezone.now() + timedelta(seconds=1), actor=None, reason="x")
    next(slow)
    purge()
    with pytest.raises(Overtaken, match="Another run"):
        list(slow)
    seal()
    assert verify() is None


def test_lists_and_estimates_read_all_partitions(divided, alice):
    write(25, subject=alice)
    sql("ANALYZE tokens_event")
    page = EventQuery(subject=alice.pk).listing()
    assert EventQuery(subject=alice.pk).rows().count() == 25
    assert page is not None
    assert estimate(Event).number == 35
    assert estimate(User).number == 1


def test_command_divides_once_and_adds_what_is_missing(tmp_path):
    told = StringIO()
    call_command("partition_events", events=100_000, as_json=True, stdout=told)
    assert json.loads(told.getvalue()) == {"begun": True, "partitions": 2, "events": 100_000}
    told = StringIO()
    call_command("partition_events", events=100_000, stdout=told)
    assert told.getvalue() == (
        "The events are in 2 partitions. A new one has room for 100000 events.\n"
    )


@pytest.mark.sqlite
def test_sqlite_has_no_partitions():
    with pytest.raises(CommandError, match="Only PostgreSQL has partitions"):
        call_command("partition_events", events=100_000)
    assert partitions() == []
    assert add_ahead() == 0


def test_index_is_added_to_each_partition_and_removed(divided):
    # Outside a transaction each partition's index is built concurrently.
    index = models.Index(fields=["reason", "-id"], name="tokens_event_next")
    add, remove = AddIndexGently("event", index), RemoveIndexGently("event", index.name)
    statements = []
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        before = ProjectState.from_apps(apps)
        after = before.clone()
        add.state_forwards("tokens", after)
        add.database_forwards("tokens", editor, before, after)
        remove.database_forwards("tokens", editor, after, before)
        statements = [one for one in editor.collected_sql if "INDEX" in one]
    built = [one.split() for one in statements]
    assert [(one[:3], one[3:6]) for one in built[:-2]] == [
        (["CREATE", "INDEX", "CONCURRENTLY"], [f'"{name}_next"', "ON", f'"{name}"'])
        for name in sorted(
            one
            for (one,) in ask(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = 'tokens_event'::regclass"
            )
        )
    ]
    assert [" ".join(one[:3]) for one in built[-2:]] == [
        'CREATE INDEX "tokens_event_next"',
        "DROP INDEX IF",
    ]
