import pytest

from tests.audit.events import ids, seal, verify, write
from tokens.models import Seal

pytestmark = pytest.mark.django_db


def test_a_trail_that_nobody_touched_is_intact():
    write(25)
    assert [s.count for s in seal(size=10)] == [10, 10, 5]
    write(3)
    assert [s.count for s in seal(size=10)] == [3]
    assert verify() is None


def test_sealing_again_changes_nothing():
    write(3)
    seal()
    assert seal() == []
    assert Seal.objects.count() == 1


def test_an_interrupted_seal_goes_on():
    from tokens.audit.seal import seal_events

    write(25)
    next(iter(seal_events(wait=5, size=10)))
    seal(size=10)
    assert Seal.objects.count() == 3
    assert verify() is None


def test_verify_goes_on_from_a_seal():
    write(25)
    seal(size=10)
    assert verify(start=3) is None


def test_no_event_at_all():
    assert seal() == []
    assert verify() is None


def test_the_last_seal_covers_every_id_given_out():
    write(4)
    (made,) = seal()
    assert (made.after_id, made.count) == (0, 4)
    assert made.through_id >= ids()[-1]


def test_a_rotated_key_still_verifies(settings):
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
