import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.audit.events import ids, seal, verify, write
from tokens.models import Seal

pytestmark = pytest.mark.django_db


def test_unchanged_trail_verifies():
    write(25)
    assert [s.count for s in seal(size=10)] == [10, 10, 5]
    write(3)
    assert [s.count for s in seal(size=10)] == [3]
    assert verify() is None


def test_second_sealing_adds_no_seal():
    write(3)
    seal()
    assert seal() == []
    assert Seal.objects.count() == 1


def test_interrupted_sealing_continues():
    from tokens.audit.seal import seal_events

    write(25)
    next(iter(seal_events(last=None, wait=5, size=10)))
    seal(size=10)
    assert Seal.objects.count() == 3
    assert verify() is None


def test_verify_starts_at_a_given_seal():
    write(25)
    seal(size=10)
    assert verify(start=3) is None


def test_empty_trail_seals_nothing_and_verifies():
    assert seal() == []
    assert verify() is None


def test_last_seal_covers_every_used_id():
    write(4)
    (made,) = seal()
    assert (made.after_id, made.count) == (0, 4)
    assert made.through_id >= ids()[-1]


def test_seals_of_a_retired_key_verify(settings):
    settings.AUDIT_KEY = "the first key of the seals, long enough"
    write(3)
    seal()
    settings.AUDIT_RETIRED_KEYS = [settings.AUDIT_KEY]
    settings.AUDIT_KEY = "the second key of the seals, long enough"
    write(3)
    seal()
    assert verify() is None
    settings.AUDIT_RETIRED_KEYS = []
    assert verify().seal == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_locked_seals_are_a_message_of_one_line(monkeypatch):
    monkeypatch.setattr("tokens.audit.seal.LOCK_WAIT", 1)
    write(3)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            other.set_autocommit(False)
            cursor.execute("LOCK TABLE tokens_seal IN ROW EXCLUSIVE MODE")
        with pytest.raises(CommandError, match=r"^another transaction keeps the seals locked; 0"):
            call_command("seal_events")
        # A role without rights on the table can't take this lock.
        other.rollback()
        assert len(seal()) == 1
    finally:
        other.close()
