"""Attack a sealed trail with row rights, and compare it with a seal that was kept elsewhere."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings as portal
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.audit.events import seal, sql, unguarded, verify, write
from tests.support.effort import times
from tokens.audit import chain
from tokens.audit.retention import remove_events
from tokens.audit.tampered import Tampered
from tokens.audit.targets import record_upon_many
from tokens.audit.verify import compare
from tokens.db.event_ids import last_id
from tokens.models import Event, EventTarget, Kind, Seal

pytestmark = pytest.mark.django_db
ROLE = "tokens_row_rights"
TABLES = "tokens_event, tokens_eventtarget, tokens_seal"


def rows(model):
    def plain(value):
        return bytes(value) if isinstance(value, memoryview) else value

    return {
        values[model._meta.pk.name]: {name: plain(value) for name, value in values.items()}
        for values in model.objects.values()
    }


def difference(before, after):
    """Return what happened to each row, by its key."""
    changed = {key: "changed" for key in before.keys() & after.keys() if before[key] != after[key]}
    removed = dict.fromkeys(before.keys() - after.keys(), "removed")
    return {**changed, **removed, **dict.fromkeys(after.keys() - before.keys(), "added")}


def targets_by_event():
    found: dict[int, list[list[object]]] = {}
    for event, *row in EventTarget.objects.order_by("event_id", "number").values_list(
        "event_id", "number", "session_id", "user_id"
    ):
        found.setdefault(event, []).append(row)
    return found


def forget_everything():
    """Empty the trail, and give the next event the id 1."""
    for table in (
        "tokens_event",
        "tokens_eventtarget",
        "tokens_seal",
        "tokens_rollup",
        "tokens_trailreader",
    ):
        sql(f"DELETE FROM {table}")
    if connection.vendor == "postgresql":
        sql("SELECT setval(pg_get_serial_sequence('tokens_event', 'id'), 1, false)")
    else:
        sql("DELETE FROM sqlite_sequence WHERE name = 'tokens_event'")


def named_events(found):
    return {
        event: one.what
        for one in found
        if one.what not in ("seal", "targets") and one.event is not None
        for event in range(one.event, one.last + 1)
    }


def reseal(material, *, first, after=None, **columns):
    """Seal again from ``first`` on, by the portal's own rules and with another key."""
    key = chain._derive(material, chain.DERIVED)
    for row in Seal.objects.filter(number__gte=first).order_by("number"):
        before = Seal.objects.filter(number=row.number - 1).first()
        row.previous = before.digest if before else chain.genesis(key)
        stretch = chain.start_stretch(key=key, number=row.number, previous=row.previous)
        for line in chain_lines(row):
            stretch.add(line)
        row.key_id, row.version, row.count = key.id, chain.VERSION, len(stretch.ids)
        row.steps = chain.pack_ids(stretch.ids, after=row.after_id)
        row.links, row.tip = b"".join(stretch.links), stretch.tip.hex()
        for name, value in columns.items():
            setattr(row, name, value)
        row.digest = chain.seal_digest(row, key=key)
        row.save(force_update=True)


def chain_lines(row):
    from tokens.audit.canonical import read_lines

    return read_lines(after=row.after_id, through=row.through_id, limit=10_000)


class TrailUnderAttack(RuleBasedStateMachine):
    """The portal writes, seals, purges and changes keys; then a role with row rights attacks."""

    def __init__(self):
        super().__init__()
        self.keys = override_settings(AUDIT_KEY="", AUDIT_RETIRED_KEYS=[])
        self.keys.enable()
        self.kept = self.truth = None
        self.number = 0
        self.stolen = False

    def teardown(self):
        if self.truth is None:
            assert verify() is None
        if connection.vendor == "postgresql":
            sql("RESET ROLE")
        self.keys.disable()
        forget_everything()

    @initialize(size=st.integers(2, 6), number=st.integers(1, 9))
    def begin(self, size, number):
        write(number)
        seal(size=size)

    def honest(self):
        return self.truth is None

    def attacked(self):
        return self.truth is not None

    @precondition(honest)
    @rule(number=st.integers(1, 5))
    def write_events(self, number):
        write(number)

    @precondition(honest)
    @rule(number=st.integers(1, 4))
    def end_many(self, number):
        targets = [(uuid.uuid4(), 1) for _ in range(number)]
        record_upon_many(kind=Kind.REVOKE_MATCHING, targets=targets)

    @precondition(honest)
    @rule()
    def roll_back_a_write(self):
        with transaction.atomic():
            write(2)
            transaction.set_rollback(True)

    @precondition(honest)
    @rule(size=st.integers(2, 6))
    def seal_events(self, size):
        seal(size=size)
        assert verify() is None

    @precondition(honest)
    @rule()
    def change_the_audit_key(self):
        old = portal.AUDIT_KEY
        portal.AUDIT_RETIRED_KEYS = [*filter(None, [old]), *portal.AUDIT_RETIRED_KEYS]
        self.number += 1
        portal.AUDIT_KEY = f"audit key {self.number} of the machine, long enough"
        assert verify() is None

    @precondition(honest)
    @rule()
    def purge(self):
        list(remove_events(before=timezone.now() + timedelta(days=1), actor=None, reason="old"))
        assert verify() is None

    @precondition(honest)
    @rule()
    def attack(self):
        if not portal.AUDIT_KEY:
            self.change_the_audit_key()
        write(3)
        seal()
        newest = Seal.objects.order_by("number").last()
        self.kept, self.through = {newest.number: newest.digest}, newest.through_id
        self.truth, self.targets = (rows(Event), rows(Seal)), targets_by_event()
        if connection.vendor == "postgresql":
            sql(f"SET ROLE {ROLE}")

    @precondition(attacked)
    @rule(place=st.integers(-3, 60))
    def insert_event(self, place):
        row = Event.objects.order_by("pk").first() or Event(kind="refresh")
        if not Event.objects.filter(pk=place).exists():
            row.pk = place
            row.save(force_insert=True)

    @precondition(attacked)
    @rule(place=st.integers(1, 60), column=st.sampled_from(["reason", "jti", "kind", "ip"]))
    def change_event(self, place, column):
        value = "10.1.1.1" if column == "ip" else "x"
        Event.objects.filter(pk__gte=place, pk__lt=place + 2).update(**{column: value})

    @precondition(attacked)
    @rule(place=st.integers(1, 60), number=st.integers(1, 60))
    def delete_events(self, place, number):
        sql("DELETE FROM tokens_event WHERE id >= %s AND id < %s", place, place + number)

    @precondition(attacked)
    @rule(place=st.integers(1, 60), to=st.integers(-3, 60))
    def renumber_event(self, place, to):
        if not Event.objects.filter(pk=to).exists():
            sql("UPDATE tokens_event SET id = %s WHERE id = %s", to, place)

    @precondition(attacked)
    @rule(place=st.integers(1, 60), act=st.sampled_from(["change", "remove", "add"]))
    def change_targets(self, place, act):
        row = EventTarget.objects.filter(event_id__gte=place).order_by("event_id").first()
        if row is None:
            return
        of = EventTarget.objects.filter(event_id=row.event_id, number=row.number)
        if act == "change":
            of.update(user=7)
        elif act == "remove":
            sql("DELETE FROM tokens_eventtarget WHERE event_id = %s", row.event_id)
        elif not EventTarget.objects.filter(event_id=row.event_id, number=9).exists():
            EventTarget.objects.create(event_id=row.event_id, number=9, session_id=uuid.uuid4())

    @precondition(attacked)
    @rule(number=st.integers(0, 30), removed=st.integers(1, 9))
    def insert_testimony(self, number, removed):
        row = Seal.objects.order_by("number").last()
        if row is not None and not Seal.objects.filter(number=number).exists():
            row.number, row.removed_through = number, removed
            row.save(force_insert=True)

    @precondition(attacked)
    @rule(number=st.integers(1, 12), removed=st.integers(1, 9))
    def change_seal(self, number, removed):
        Seal.objects.filter(number=number).update(removed_through=removed, count=0)

    @precondition(attacked)
    @rule(number=st.integers(1, 12))
    def delete_seal(self, number):
        sql("DELETE FROM tokens_seal WHERE number = %s", number)

    @precondition(attacked)
    @rule(number=st.integers(1, 12))
    def drop_suffix(self, number):
        row = Seal.objects.filter(number=number).first()
        if row is not None:
            sql("DELETE FROM tokens_event WHERE id > %s", row.after_id)
            sql("DELETE FROM tokens_seal WHERE number >= %s", number)

    @precondition(attacked)
    @rule(number=st.integers(1, 12), stolen=st.booleans())
    def seal_again_with_another_key(self, number, stolen):
        reseal(portal.JWT_SIGNING_KEY if stolen else "made up", first=number)
        self.stolen = self.stolen or stolen

    @precondition(attacked)
    @rule()
    def compare_with_the_kept_seal(self):
        found = [one for one in compare(against=self.kept) if isinstance(one, Tampered)]
        events, seals = self.truth
        wrong_seals = difference(seals, rows(Seal))
        named_seals = {one.seal for one in found if one.what == "seal"}
        # Before there was an audit key, the signing key sealed: who stole it can make those seals,
        # and others after them. That something differs is still told, by the kept seal.
        key = chain._derive(portal.JWT_SIGNING_KEY, chain.DERIVED).id
        first = min((n for n, row in seals.items() if row["key_id"] == key), default=None)
        forgeable = {n for n in wrong_seals if self.stolen and first is not None and n >= first}
        assert wrong_seals.keys() - forgeable <= named_seals
        assert bool(wrong_seals) <= bool(named_seals)
        wrong = {
            event: what
            for event, what in difference(events, rows(Event)).items()
            if event <= self.through or event > last_id()
        }
        named = named_events(found)
        if not wrong_seals:
            assert named == wrong
            was, now = self.targets, targets_by_event()
            lists = {one.event for one in found if one.what == "targets"}
            expected = {
                event
                for event in was.keys() | now.keys()
                if was.get(event) != now.get(event) and event <= self.through
            }
            assert lists - wrong.keys() == expected - wrong.keys()
            return
        stretches = [
            (row["after_id"], row["through_id"])
            for number, row in seals.items()
            if number not in wrong_seals and number not in named_seals
        ]
        # Without the seals before it, a seal can't tell an added event from a changed one.
        for event in wrong:
            if event < 1 or any(after < event <= through for after, through in stretches):
                assert event in named


@pytest.fixture
def row_rights(db):
    """Drop the triggers, which such a role could not, and give it rights on rows only."""
    with unguarded():
        if connection.vendor == "postgresql":
            sql(f"CREATE ROLE {ROLE} NOLOGIN")
            sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO {ROLE}")
            sql(f"GRANT SELECT ON SEQUENCE tokens_event_id_seq TO {ROLE}")
        yield


def test_kept_seal_names_every_difference_that_row_rights_can_make(row_rights):
    run_state_machine_as_test(
        TrailUnderAttack,
        settings=settings(
            max_examples=times(40),
            phases=[Phase.generate],
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_deleting_everything_behind_a_made_up_testimony_is_named(db, settings):
    """The role leaves the triggers alone: it says that it is the retention."""
    settings.AUDIT_KEY = "an audit key of the tests, long enough"
    write(25)
    newest = seal(size=10)[-1]
    row = Seal.objects.get(number=2)
    row.number, row.removed_through = 0, 3
    if connection.vendor == "postgresql":
        sql(f"CREATE ROLE {ROLE} NOLOGIN")
        sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO {ROLE}")
        sql(f"GRANT SELECT ON SEQUENCE tokens_event_id_seq TO {ROLE}")
        sql(f"SET ROLE {ROLE}")
        sql("SELECT set_config('tokens.retention', 'on', true)")
    else:
        sql("INSERT INTO tokens_retention VALUES (1)")
    row.save(force_insert=True)
    sql("DELETE FROM tokens_event")
    found = [one for one in compare(against={3: newest.digest}) if isinstance(one, Tampered)]
    if connection.vendor == "postgresql":
        sql("RESET ROLE")
    assert (found[0].what, found[0].seal) == ("seal", 0)
    assert set(named_events(found).values()) == {"removed"}
    assert len(named_events(found)) == 25


def test_seal_made_with_the_signing_key_is_refused(db, settings):
    settings.AUDIT_KEY = "an audit key of the tests, long enough"
    write(25)
    seal(size=10)
    with unguarded():
        sql("UPDATE tokens_event SET reason = 'x' WHERE id = (SELECT max(id) FROM tokens_event)")
        reseal(settings.JWT_SIGNING_KEY, first=3)
    assert (verify().what, verify().seal) == ("seal", 3)


@pytest.fixture
def former_format(db, settings):
    """Seal events as version 1 did, with the key derived from the signing key."""
    settings.AUDIT_KEY = ""
    previous, after = chain.NO_DIGEST, 0
    for number in (1, 2):
        write(5)
        key = chain.sealing_key()
        through = Event.objects.order_by("pk").last().pk
        stretch = chain.start_stretch(key=key, number=number, previous=previous, version=1)
        row = Seal(number=number, version=1, after_id=after, through_id=through)
        for line in chain_lines(row):
            stretch.add(line)
        row.key_id, row.count, row.tip = key.id, len(stretch.ids), stretch.tip.hex()
        row.steps = chain.pack_ids(stretch.ids, after=after)
        row.links, row.previous = b"".join(stretch.links), previous
        row.digest = chain.seal_digest(row, key=key)
        row.save(force_insert=True)
        previous, after = row.digest, through


def test_seals_of_the_former_format_verify_after_the_upgrade(former_format, settings):
    assert verify() is None
    settings.AUDIT_KEY = "an audit key of the tests, long enough"
    assert verify() is None
    write(5)
    seal()
    assert verify() is None
    with unguarded():
        event = Event.objects.order_by("pk")[7]
        sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", event.pk)
    assert (verify().what, verify().seal) == ("changed", 2)


def test_replaced_audit_key_does_not_seal_again(db, settings):
    from tokens.audit.seal import ReplacedKey

    first, second = "the first audit key, long enough", "the second audit key, long enough"
    settings.AUDIT_KEY = first
    write(3)
    seal()
    settings.AUDIT_KEY, settings.AUDIT_RETIRED_KEYS = second, [first]
    write(3)
    seal()
    write(3)
    settings.AUDIT_KEY, settings.AUDIT_RETIRED_KEYS = first, [second]
    with pytest.raises(ReplacedKey):
        seal()
    settings.AUDIT_KEY, settings.AUDIT_RETIRED_KEYS = "", [first, second]
    with pytest.raises(ReplacedKey):
        seal()


def test_command_prints_every_difference(row_rights, capsys):
    import json

    from django.core.management import call_command

    write(25)
    seal(size=10)
    ids = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", ids[3])
    sql("DELETE FROM tokens_event WHERE id IN (%s, %s, %s)", ids[5], ids[6], ids[20])
    with pytest.raises(SystemExit):
        call_command("verify_events", json=True)
    told = json.loads(capsys.readouterr().out)["differences"]
    assert [(one["what"], one["event"], one["last"]) for one in told] == [
        ("changed", ids[3], ids[3]),
        ("removed", ids[5], ids[6]),
        ("removed", ids[20], ids[20]),
    ]
