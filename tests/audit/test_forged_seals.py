"""A role with rights on rows adds seals: they are named, and stop nothing."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.audit.events import ids, seal, sql, unguarded, verify, write
from tests.audit.test_trail_under_attack import reseal
from tests.support.clock import travel
from tokens.audit import trusted_seals
from tokens.audit.retention import removable_seals, remove_events
from tokens.audit.seal import seal_events
from tokens.audit.tampered import Tampered
from tokens.audit.trusted_seals import count_unsealed, newest_seal
from tokens.audit.verify import compare
from tokens.db.event_ids import HIGHEST
from tokens.models import Event, Seal
from tokens.models.readable import LONGEST_BINARY

pytestmark = pytest.mark.django_db
KEY = "an audit key of the tests, long enough"
HIGHEST_OF_ALL = 2**63 - 1
TEXT = "tip", "previous", "digest"
FORGED: dict[str, dict[str, Any]] = {
    "far end": {"through_id": HIGHEST_OF_ALL},
    "far number": {"number": HIGHEST_OF_ALL},
    "far number and end": {"number": HIGHEST_OF_ALL, "through_id": HIGHEST_OF_ALL},
    "own key": {"key_id": "0" * 16, "through_id": HIGHEST_OF_ALL},
    "odd digest": {"digest": "é" * 64, "previous": "é" * 64},
    "testimony": {"removed_through": 2},
}
# More than a seal has. PostgreSQL could not return 600 MB of them.
FORGED |= {name: {name: bytes(LONGEST_BINARY + 1)} for name in ("links", "steps")}
INFINITE = {"sealed_at": "infinity", "first_at": "-infinity", "last_at": "294276-12-31"}
if connection.vendor == "postgresql":
    FORGED |= {name: {name: value} for name, value in INFINITE.items()}
else:
    WRONG = ("x", b"\xff", 1.5)
    INTEGERS = ("number", "version", "after_id", "through_id", "count", "removed_through")
    FORGED |= {
        f"{name} {value!r}": {name: value}
        for name in (*INTEGERS, *INFINITE, *TEXT, "key_id", "steps", "links")
        for value in WRONG
    }


@pytest.fixture
def trail(db, settings):
    """Three seals, and the triggers away."""
    settings.AUDIT_KEY = KEY
    write(25)
    seal(size=10)
    with unguarded():
        yield Seal.objects.get(number=3)


def add(row, **columns) -> None:
    """Insert a copy of ``row`` with other values, as a forger without the key."""
    values = {
        field.column: field.get_db_prep_save(getattr(row, field.attname), connection)
        for field in Seal._meta.concrete_fields
    }
    values |= {"number": row.number + 1} | columns
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    sql(f"INSERT INTO tokens_seal ({names}) VALUES ({marks})", *values.values())


def differences(**options) -> list[Tampered]:
    return [one for one in compare(**options) if isinstance(one, Tampered)]


@pytest.mark.parametrize("name", FORGED)
def test_forged_newest_seal_is_named_and_stops_nothing(name, trail) -> None:
    add(trail, **FORGED[name])
    (before,) = differences()
    assert before.what == "seal"
    assert newest_seal() == trail
    write(5)
    assert count_unsealed(after=trail) == 5
    (new,) = seal()
    assert (new.count, new.after_id, new.previous) == (5, trail.through_id, trail.digest)
    (after,) = differences(against={3: trail.digest, new.number: new.digest})
    assert str(after) == str(before)
    with_change = Event.objects.order_by("pk").last()
    sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", with_change.pk)
    assert [one.event for one in differences() if one.what == "changed"] == [with_change.pk]


@pytest.mark.parametrize("column", ["links", "steps"])
def test_long_bytes_of_a_seal_are_not_read(column, trail) -> None:
    whole = bytes(LONGEST_BINARY)
    add(trail, **{column: whole})
    add(trail, number=5, **{column: whole + b"1"})
    read = [bytes(getattr(Seal.objects.get(number=number), column)) for number in (4, 5)]
    assert read == [whole, b"\0"]


@pytest.mark.sqlite
@pytest.mark.parametrize("column", TEXT)
def test_long_text_of_a_seal_is_not_read(column, trail) -> None:
    add(trail, **{column: "x" * 257})
    assert getattr(Seal.objects.get(number=4), column) == ""


def test_sealing_reads_many_forged_seals_with_few_queries(trail, monkeypatch) -> None:
    monkeypatch.setattr(trusted_seals, "FEW", 50)
    monkeypatch.setattr(trusted_seals, "PAGE", 100)

    def forge(first: int) -> None:
        for number in range(first, first + 200):
            add(trail, number=number, previous=trail.digest)

    def count(act) -> int:
        with CaptureQueriesContext(connection) as captured:
            act()
        return sum('FROM "tokens_seal"' in one["sql"] for one in captured)

    def run() -> None:
        seal_in_stretches = seal_events(last=newest_seal(), wait=5, size=2)
        assert len(list(seal_in_stretches)) == 5

    forge(9)
    forge(10**9)
    write(10)
    # The search for the newest seal, its successor, and a number: by pages, and only once.
    assert count(run) <= 9 + 9 + 3 + 2 * 5
    forge(2 * 10**9)
    # Verifying reads each seal with its events, and the forged ones by pages.
    assert count(lambda: list(compare())) <= 20
    assert len(differences()) == 600


@pytest.mark.parametrize("fraction", [0, 1, 999_499, 999_500, 999_999])
def test_seal_of_any_microsecond_is_no_forgery(fraction, db, settings) -> None:
    settings.AUDIT_KEY = KEY
    with travel(timezone.now().replace(microsecond=fraction), tick=False):
        (event,) = write(1)
        (new,) = seal()
    assert Event.objects.get(pk=event.pk).at.microsecond == fraction
    assert Seal.objects.get().sealed_at.microsecond == fraction
    assert newest_seal() == new
    assert differences() == []


def test_forged_seals_before_the_first_one_stop_nothing(db, settings) -> None:
    settings.AUDIT_KEY = KEY
    write(5)
    (first,) = seal()
    with unguarded():
        sql("DELETE FROM tokens_seal")
        add(first, number=1, through_id=HIGHEST_OF_ALL)
        add(first, number=2, sealed_at=timezone.now())
        (new,) = seal()
        assert (new.number, new.count, newest_seal()) == (3, 5, new)
        assert [one.seal for one in differences()] == [1, 2]
        sql("DELETE FROM tokens_seal WHERE number < 3")
        assert differences() == []


def test_trail_verifies_again_when_the_forged_seal_is_deleted(trail) -> None:
    add(trail, through_id=HIGHEST_OF_ALL)
    write(5)
    (new,) = seal()
    write(5)
    seal()
    sql("DELETE FROM tokens_seal WHERE number = 4")
    for start in (1, 3, 4, 5):
        assert differences(start=start) == []
    assert differences(against={3: trail.digest, 5: new.digest}) == []
    assert [one.seal for one in differences(against={4: new.digest})] == [4]
    removed = list(remove_events(before=timezone.now() + timedelta(days=1), actor=None, reason="x"))
    assert sum(removed) == 35
    assert differences() == []


def test_retention_testifies_behind_a_forged_seal(trail) -> None:
    sealed = trail.sealed_at
    later = connection.ops.adapt_datetimefield_value(sealed + timedelta(days=9))
    add(trail, sealed_at=later, last_at=later)
    removed = list(remove_events(before=sealed + timedelta(days=1), actor=None, reason="old"))
    assert sum(removed) == 25
    assert [one.seal for one in differences()] == [4]


@pytest.mark.parametrize("age", [timedelta(days=-9), timedelta(days=9)])
def test_retention_goes_on_behind_a_forged_seal(trail, age) -> None:
    at = connection.ops.adapt_datetimefield_value(trail.sealed_at + age)
    add(trail, sealed_at=at, last_at=at, count=2_000_000_000)
    write(15)
    seal(size=10)
    write(1)
    found = removable_seals(before=timezone.now() + timedelta(days=1))
    assert ([one.number for one in found.seals], found.events) == ([1, 2, 3, 5, 6], 40)
    said, told = io.StringIO(), io.StringIO()
    with travel(timezone.now() + timedelta(days=3)):
        call_command("purge_events", days=1, stdout=told, stderr=said)
    assert "Seal 4: it was changed or forged. It counts for nothing." in said.getvalue()
    assert "Removed 40 events." in told.getvalue()
    assert [one.seal for one in differences()] == [4]


@pytest.mark.parametrize("change", ["UPDATE tokens_seal SET count = 9", "DELETE FROM tokens_seal"])
def test_retention_stops_at_a_genuine_seal_that_was_changed(trail, change) -> None:
    add(trail, through_id=HIGHEST_OF_ALL)
    write(5)
    seal()
    sql(f"{change} WHERE number = 2")
    said = r"^Seal [23]: .*\. 0 events were removed before that\.$"
    with pytest.raises(CommandError, match=said), travel(timezone.now() + timedelta(days=3)):
        call_command("purge_events", days=1, stdout=io.StringIO(), stderr=io.StringIO())


def test_removed_seals_are_missed_behind_a_forged_one(trail) -> None:
    add(trail, through_id=HIGHEST_OF_ALL)
    write(5)
    seal()
    sql("DELETE FROM tokens_seal WHERE number = 3")
    assert [one.seal for one in differences()] == [3, 4]
    sql("DELETE FROM tokens_seal WHERE number = 4")
    assert [one.seal for one in differences()] == [3, 4]


def test_seal_of_a_stolen_signing_key_does_not_count_after_the_audit_key(trail, settings) -> None:
    add(trail, through_id=HIGHEST_OF_ALL)
    reseal(settings.JWT_SIGNING_KEY, first=4)
    assert newest_seal() == trail
    write(5)
    (new,) = seal()
    assert (new.number, new.count) == (5, 5)
    assert [one.seal for one in differences()] == [4]


def test_forged_seal_with_the_id_of_a_new_key_does_not_retire_it(trail, settings) -> None:
    from tokens.audit.chain import sealing_key

    settings.AUDIT_KEY, settings.AUDIT_RETIRED_KEYS = "the second audit key, long enough", [KEY]
    add(trail, key_id=sealing_key().id)
    write(5)
    assert [one.count for one in seal()] == [5]


def test_commands_print_the_newest_seal_that_is_no_forgery(trail, capsys) -> None:
    add(trail, through_id=HIGHEST_OF_ALL, number=7)
    write(5)
    call_command("seal_events", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["newest"] == str(Seal.objects.get(number=4))
    with pytest.raises(SystemExit):
        call_command("verify_events", stdout=(out := io.StringIO()))
    assert "Seal 7: it was changed or forged." in out.getvalue()


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["count", "links", "steps", "removed_through", "first_at"])
def test_value_of_a_wrong_type_in_a_seal_is_named(column, trail) -> None:
    list(remove_events(before=timezone.now() + timedelta(days=1), actor=None, reason="old"))
    last = Seal.objects.order_by("number").last()
    assert verify() is None
    sql(f"UPDATE tokens_seal SET {column} = 'x' WHERE number = %s", last.number)
    assert last.number in {one.seal for one in differences()}


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_event_with_the_highest_id_stops_writes_until_it_is_removed(trail, client) -> None:
    columns = ", ".join(f'"{field.column}"' for field in Event._meta.concrete_fields[1:])
    sql(
        f"INSERT INTO tokens_event (id, {columns})"
        f" SELECT %s, {columns} FROM tokens_event ORDER BY id LIMIT 1",
        HIGHEST_OF_ALL,
    )
    assert HIGHEST_OF_ALL > HIGHEST
    assert [(one.what, one.event) for one in differences()] == [("added", HIGHEST_OF_ALL)]
    with pytest.raises(DatabaseError, match="full"):
        write(1)
    wrong = {"username": "mallory", "password": "wrong"}
    answer = client.post("/api/login", wrong, content_type="application/json")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    sql("DELETE FROM tokens_event WHERE id = %s", HIGHEST_OF_ALL)
    sql(
        "UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM tokens_event)"
        " WHERE name = 'tokens_event'"
    )
    (new,) = write(1)
    assert new.pk == ids()[-2] + 1
    seal()
    assert differences() == []
