import csv
import io
import json

import pytest
from django.db import DatabaseError

from tests.audit.events import write
from tokens.audit import record
from tokens.audit.export import export, rows, write_csv
from tokens.models import Event, Kind

pytestmark = pytest.mark.django_db


def taken(form, **options):
    return "".join(export(events=Event.objects.all(), form=form, actor=None, filters={}, **options))


def test_jsonl_export_has_every_event_once_and_in_order():
    write(7)
    lines = [json.loads(line) for line in taken("jsonl").splitlines()]
    assert [line["jti"] for line in lines] == [f"jti-{n}" for n in range(7)]


def test_export_in_small_pages_has_the_same_events():
    write(7)
    assert [row[0] for row in rows(Event.objects.all(), chunk=2)] == [
        row[0] for row in rows(Event.objects.all())
    ]


def test_export_writes_an_event(auditor):
    write(3)
    list(export(events=Event.objects.all(), form="csv", actor=auditor, filters={"ip": "1.2.3.4"}))
    event = Event.objects.get(kind=Kind.EXPORTED)
    assert (event.actor, event.count) == (auditor, 3)
    assert event.data == {"format": "csv", "filters": {"ip": "1.2.3.4"}}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_csv_export_quotes_formulas(cell):
    record(kind=Kind.LOGIN_REFUSED, subject_name=cell)
    (line,) = csv.DictReader(io.StringIO("".join(write_csv(Event.objects.all())), newline=""))
    assert line["subject_name"] == f"'{cell}"


def test_ecs_export_uses_the_fields_of_ecs(alice):
    record(kind=Kind.LOGIN_REFUSED, subject=alice, reason="wrong password")
    shown = json.loads(taken("ecs"))
    assert shown["event"]["category"] == ["authentication"]
    assert (shown["event"]["action"], shown["event"]["outcome"]) == ("login_refused", "failure")
    assert shown["user"] == {"id": str(alice.pk), "name": "alice"}
    assert shown["@timestamp"].endswith("Z")


def test_export_fails_if_its_event_cannot_be_written(refuse_events):
    with pytest.raises(DatabaseError):
        taken("jsonl")


def test_csv_begins_with_a_byte_order_mark_and_json_lines_escape_line_ends():
    record(kind=Kind.LOGOUT, reason="one\u2028two\u2029three\x85")
    assert "".join(write_csv(Event.objects.all())).startswith('\ufeff"id"')
    for form in ("jsonl", "ecs"):
        text = taken(form)
        assert text.splitlines() == text.rstrip("\n").split("\n")
        assert "one\u2028two\u2029three\x85" in json.dumps(
            [json.loads(line) for line in text.splitlines()], ensure_ascii=False
        )
