import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from tests.audit.events import seal, sql, write
from tokens.models import Event

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tokens_event SET reason = 'nothing happened'",
        "DELETE FROM tokens_event",
        "UPDATE tokens_seal SET digest = ''",
        "DELETE FROM tokens_seal",
    ],
)
def test_database_refuses_to_change_events_and_seals(statement):
    write(2)
    seal()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql(statement)
    assert Event.objects.filter(reason__startswith="tab").count() == 2


@pytest.mark.postgresql
def test_database_refuses_to_truncate_events():
    write(1)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql("TRUNCATE tokens_event")
    assert Event.objects.count() == 1


def test_orm_cannot_change_or_delete_an_event():
    (event,) = write(1)
    event.reason = "another"
    for act in (event.save, event.delete, Event.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    assert Event.objects.get().reason != "another"


def test_database_refuses_an_upsert_of_an_event():
    (event,) = write(1)
    twin = Event(pk=event.pk, kind="refresh", reason="another")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Event.objects.bulk_create(
            [twin], update_conflicts=True, update_fields=["reason"], unique_fields=["id"]
        )
    assert Event.objects.get().reason != "another"


def test_migrate_restores_the_triggers():
    from tokens.audit import guards

    guards.drop(connection)
    call_command("migrate", verbosity=0)
    write(1)
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("DELETE FROM tokens_event")
    assert Event.objects.count() == 1
