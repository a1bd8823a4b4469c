from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from tests.audit.events import ids, seal, sql, unguarded, verify, write
from tokens.audit.retention import NotYet, removable_seals, remove_events
from tokens.audit.tampered import Tampered
from tokens.models import Event, Kind, Seal, TrailReader

pytestmark = pytest.mark.django_db


@pytest.fixture
def later():
    write(25)
    seal(size=10)
    return timezone.now() + timedelta(seconds=1)


def test_purge_removes_sealed_events_and_keeps_their_seals(later):
    kept = Seal.objects.get(number=3)
    assert list(remove_events(before=later, actor=None, reason="ninety days")) == [25]
    event = Event.objects.get()
    assert (event.kind, event.count, event.reason) == (Kind.PURGED, 25, "ninety days")
    assert Seal.objects.count() == 4
    assert verify(against={3: kept.digest}) is None
    seal()
    assert verify() is None
    assert (
        list(remove_events(before=timezone.now() - timedelta(days=1), actor=None, reason="")) == []
    )


def test_purge_keeps_younger_and_unsealed_events(later):
    write(5)
    assert removable_seals(before=timezone.now() - timedelta(days=1)).seals == []
    list(remove_events(before=later + timedelta(days=1), actor=None, reason="x"))
    assert Event.objects.filter(kind=Kind.REFRESH).count() == 5


def test_verify_finds_a_removed_event_that_was_restored(later):
    row = Event.objects.first()
    list(remove_events(before=later, actor=None, reason="x"))
    row.save(force_insert=True)
    assert verify().what == "added"


def test_purge_keeps_events_that_were_tampered_with(later):
    with unguarded():
        sql("UPDATE tokens_event SET reason = 'x' WHERE id = %s", ids()[4])
    with pytest.raises(Tampered):
        list(remove_events(before=later, actor=None, reason="x"))
    assert Event.objects.count() == 25


def test_purge_keeps_events_that_the_webhook_has_not_received(later, settings):
    settings.WEBHOOK_URL = "http://127.0.0.1:1/"
    TrailReader.objects.create(name="webhook", last_id=3)
    with pytest.raises(NotYet):
        list(remove_events(before=later, actor=None, reason="x"))
    assert Event.objects.count() == 25


def test_deletion_is_refused_again_after_a_purge(later):
    list(remove_events(before=later, actor=None, reason="x"))
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("DELETE FROM tokens_event")
    assert Event.objects.count() == 1
