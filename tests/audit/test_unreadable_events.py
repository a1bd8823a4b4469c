"""Store values that Python can't read, with rights on rows only: nothing stops because of them."""

import json
import re
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.audit.events import seal, sql, unguarded, verify, write
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens import audit
from tokens.audit.delivery.caep import build_all_claims
from tokens.audit.delivery.webhook import _messages
from tokens.audit.export import FORMATS, rows
from tokens.audit.retention import remove_events
from tokens.audit.tampered import Tampered
from tokens.audit.verify import compare
from tokens.db.printable import LONGEST
from tokens.listing.attention import find_attention
from tokens.listing.events import EventQuery, acts_upon_many
from tokens.management import purge
from tokens.models import Event, EventTarget, EventWindow, Kind, Rollup, TrailReader
from tokens.models.readable import read_object
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db
POSTGRESQL, SQLITE = "postgresql", "sqlite"
DEEP = '{"a": ' * 5_000 + "1" + "}" * 5_000
# What a role with rights on rows can store, by the database.
TIMES: dict[str, list[Any]] = {
    POSTGRESQL: ["infinity", "-infinity", "12000-01-01", "0044-03-15 BC", "294276-12-31 23:59:59"],
    SQLITE: [
        "x", "", "2020-13-45 00:00:00", "2020-02-31 00:00:00", "2020-01-01T00:00:00Z", 5, b"\xff",
    ],
}  # fmt: skip
DATA = {
    POSTGRESQL: ["[1]", '"x"', "null", "7", DEEP, '{"a": 1' + "0" * 5_000 + "}", '{"a": 1e5000}'],
    SQLITE: ["[1]", '"x"', "null", "7", '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": 1, "a": 2}'],
}
# JSON of a few kilobytes that no database can print, and values of which SQLite reads a part.
SMALL_BUT_LONG = [
    '{"a": [' + "1e131071, " * 8_300 + "1]}",
    '{"rule": {"key": [' + "1e-16383, " * 90_000 + "1]}}",
    "[" + "1e131071, " * 8_300 + "1]",
]
LONG_LIMIT = 20_000_000
# Objects, which can be read, but have members that the portal doesn't write.
ODD = [
    '{"rule": {}, "key": []}', '{"targets": 5}', '{"cutoff": "x"}', '{"cutoff": {}}',
    '{"ended": 5}', '{"ended": ["x", {}]}', '{"kept": 1}', '{"filter": [1]}', '{"filter": 5}',
    '{"filter": {"names": 5, "matching": {"list": "x"}}}', '{"filter": {"matching": 5}}',
    '{"filter": {"issued_before": "0001-01-01T00:00:00"}}', '{"not_before": "x"}',
    '{"not_before": 5}', '{"left_out": "x"}', '{"what": {}}', '{"seals": 5}', '{}',
]  # fmt: skip


TEXTS = ("actor_name", "subject_name", "jti", "user_agent", "client", "request_id", "reason")
KINDS = [Kind.LOOKS_FINE, Kind.CUTOFF, Kind.REVOKE_MATCHING, Kind.LOGOUT]


def insert(**columns):
    """Insert an event by hand, and return its id."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    row = {"at": now, "kind": "refresh", "count": 1, "data": "{}", **dict.fromkeys(TEXTS, "")}
    row |= columns
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
    sql(f"INSERT INTO tokens_event ({names}) VALUES ({marks})", *row.values())
    return Event.objects.order_by("pk").values_list("pk", flat=True).last()


def unreadable_events():
    found = [insert(at=value) for value in TIMES[connection.vendor]]
    found += [insert(data=value) for value in DATA[connection.vendor]]
    if connection.vendor == POSTGRESQL:
        found += [insert(data=value) for value in SMALL_BUT_LONG]
    else:
        found += [insert(**{name: b"\xff"}) for name in ("actor_id", "subject_id")]
        found += [insert(**{name: "x"}) for name in ("actor_id", "subject_id")]
        bytes_, text = "zeroblob(17000000)", "CAST(zeroblob(17000000) AS TEXT)"
        for change in (
            "actor_id = CAST(x'ff' AS TEXT)", "subject_id = CAST(x'ff' AS TEXT)",
            f"reason = {bytes_}", f"jti = {text}", f"at = {text}", f"ip = {text}",
            """data = '{"a": "' || hex(zeroblob(8500000)) || '"}'""",
        ):  # fmt: skip
            found.append(insert())
            with unguarded():
                sql(f"UPDATE tokens_event SET {change} WHERE id = %s", found[-1])
        texts = ("kind", "actor_name", "jti", "ip", "session_id", "user_agent", "reason")
        found += [insert(**{name: b"\xff\xfe"}) for name in texts]
        found += [insert()]
        with unguarded():
            sql("UPDATE tokens_event SET reason = CAST(x'ff' AS TEXT) WHERE id = %s", found[-1])
        found += [insert(ip="x"), insert(session_id="x"), insert(count="x")]
    return found


@pytest.fixture
def unreadable(db, alice):
    """Return the ids of events that can't be read. Others are before, between and after them."""
    write(3)
    if connection.vendor == SQLITE:
        limit = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONG_LIMIT)
    found = unreadable_events()
    for kind in KINDS:
        for data in ODD:
            insert(kind=kind, data=data, subject_id=alice.pk)
    insert(kind="x", ip="10.0.0.1")
    if connection.vendor == POSTGRESQL:
        insert(ip="10.0.0.0/8", kind=Kind.REFRESH_RETRY, session_id=pair_of(alice).session.pk)
    write(3)
    yield found
    if connection.vendor == SQLITE:
        connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limit)


def named(**options):
    found = [one for one in compare(**options) if isinstance(one, Tampered)]
    assert {one.what for one in found} <= {"unreadable", "targets"}
    return {event for one in found if one.what == "unreadable" for event in one.events}


def test_unreadable_events_are_sealed_and_named(unreadable):
    assert named() == set(unreadable)
    seal(size=7)
    assert named() == set(unreadable)
    assert [one for one in compare() if isinstance(one, Tampered) and one.what == "targets"]
    with unguarded(), transaction.atomic():
        for event in unreadable:
            sql("UPDATE tokens_event SET reason = 'other' WHERE id = %s", event)
        changed = {e for one in compare() if isinstance(one, Tampered) for e in one.events}
        assert set(unreadable) <= changed
        assert "unreadable" not in {one.what for one in compare() if isinstance(one, Tampered)}


def test_event_with_a_very_long_text_is_named(db):
    """PostgreSQL stores these characters in 17 MB and COPY prints seven bytes for each."""
    write(3)
    long = insert(data='{"kept": "' + "\\u0001" * (LONGEST + 1) + '"}')
    write(3)
    assert named() == {long}
    seal(size=3)
    assert named() == {long}
    assert Event.objects.get(pk=long).data == {"unreadable": True}


def test_verify_command_says_which_events_cannot_be_read(unreadable, capsys):
    seal()
    with pytest.raises(SystemExit):
        call_command("verify_events")
    first = unreadable[0]
    assert f"{first} to " in (printed := capsys.readouterr().out)
    assert "can't be read: the portal did not write this." in printed


def test_seal_command_sums_the_other_events(unreadable):
    call_command("seal_events")
    assert Rollup.objects.filter(kind="x", events=1).exists()


def test_unreadable_events_are_purged(db):
    write(3)
    for value in TIMES[connection.vendor]:
        insert(at=value)
    insert(at="9000-01-01 00:00:00")
    insert(data="[1]")
    seal(size=2)
    list(remove_events(before=timezone.now() + timedelta(days=1), actor=None, reason="old"))
    assert [event.kind for event in Event.objects.all()] == [Kind.PURGED]
    assert verify() is None


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_exports_show_unreadable_events(unreadable, form):
    text = "".join(FORMATS[form](Event.objects.all()))
    assert text.count("unreadable") >= len(DATA[connection.vendor]) - 1
    assert "9999-12-30" not in text
    assert "0001-01-02" not in text
    if form != "csv":
        lines = list(map(json.loads, text.splitlines()))
        assert len(lines) == Event.objects.count()


def test_webhook_and_caep_send_unreadable_events(unreadable, settings):
    settings.WEBHOOK_SECRET = "a secret of the receiver, long enough"
    events = list(Event.objects.order_by("pk"))
    for form in ("events", "caep"):
        settings.WEBHOOK_FORMAT = form
        for message in _messages(TrailReader(name="webhook"), events):
            assert message.body
    assert [list(build_all_claims(event)) for event in events]


@pytest.fixture
def officer(db):
    return User.objects.create_superuser("officer", password=PASSWORD)


def test_pages_and_api_show_unreadable_events(unreadable, officer, alice):
    seal()
    page, session = Client(), pair_of(alice).session
    page.force_login(officer)
    bearer = {"Authorization": f"Bearer {pair_of(officer).access}"}
    ids = Event.objects.order_by("pk").values_list("pk", flat=True)
    odd = {*unreadable[::3], *ids[3 + len(unreadable) :: 9]}
    paths = [f"/admin/tokens/event/{event}/change/" for event in odd]
    paths += ["/staff/", "/admin/tokens/event/", f"/staff/users/{alice.pk}/"]
    paths += [f"/staff/sessions/{session.pk}/", f"/admin/tokens/session/{session.pk}/change/"]
    for path in paths:
        assert page.get(path).status_code == 200, path
    for filters in ("", f"subject={alice.pk}", "ip=10.0.0.0/8", "kind=cutoff", "kind=looks_fine"):
        for path in ("/staff/events/", "/admin/tokens/event/"):
            assert page.get(f"{path}?{filters}").status_code in (200, 302), (path, filters)
        answer = page.get(f"/api/staff/events?{filters}", headers=bearer)
        assert answer.status_code == 200, filters
    assert find_attention() == []


@pytest.mark.parametrize("value", [0, 1])
def test_pages_reach_every_event_once(db, value):
    """More events than a page has are unreadable, at either end of the list."""
    write(5)
    for number in range(8):
        insert(at=TIMES[connection.vendor][(value + number % 2 * 2) % 4])
    for query in (EventQuery(), EventQuery(kind="refresh")):
        cursor, seen = "", []
        while True:
            page = query.listing().page(cursor=cursor, size=3)
            seen += [event.pk for event in page.rows]
            if not (cursor := page.older):
                break
            assert len(seen) < 20
        assert sorted(seen) == list(Event.objects.order_by("pk").values_list("pk", flat=True))
    exported = [row[0] for row in rows(Event.objects.all(), chunk=3)]
    assert exported == list(Event.objects.order_by("at", "id").values_list("pk", flat=True))


def test_lists_are_ordered_by_the_stored_time(django_assert_max_num_queries, unreadable):
    """An index has the stored times, and not those in place of unreadable ones."""
    with django_assert_max_num_queries(100) as captured:
        list(rows(Event.objects.all(), chunk=30))
        EventQuery(kind="refresh", ip="10.0.0.0/8").listing().page(size=3)
        EventQuery(jti="x", ip="10.0.0.0/8", kind=Kind.CUTOFF).listing().page(size=3)
        acts_upon_many(users=(1,))
        find_attention()
    of_events = [query["sql"] for query in captured if 'FROM "tokens_event"' in query["sql"]]
    assert len(of_events) > 5
    assert not [sql for sql in of_events if re.search(r"ORDER BY [2-9]", sql)]


@pytest.mark.parametrize("place", [2**63 - 1, 2**62, 2**48 + 1, 0, -(2**63)])
def test_event_with_an_impossible_id_stops_nothing_and_is_named(db, alice, place):
    write(2)
    try:
        with transaction.atomic():
            insert(id=place)
    except IntegrityError:
        # SQLite gives the next event the next higher id, so it refuses such an event.
        assert connection.vendor == SQLITE
        open_session(user=alice)
        if place == 2**63 - 1:
            return
        with unguarded():
            insert(id=place)
    else:
        assert connection.vendor == POSTGRESQL
    open_session(user=alice)
    seal()
    found = [one for one in compare() if isinstance(one, Tampered)]
    assert [("added", place)] == [(one.what, one.event) for one in found[:1]]


@pytest.mark.parametrize("place", [2**63 - 1, 2**62, 0, -1, -(2**63)])
def test_list_of_an_impossible_event_is_named(db, place):
    write(2)
    seal()
    EventTarget.objects.create(event_id=place, number=0, session_id=None)
    (found,) = [one for one in compare() if isinstance(one, Tampered)]
    assert (found.what, found.event) == ("targets", place)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "change",
    [
        *(f"{name} = CAST({name} AS BLOB)" for name in ("jti", "reason", "kind", "data", "at")),
        "at = substr(at, 1, 10) || 'T' || substr(at, 12)",
        "at = at || '+00:00'",
        "at = at || '0'",
        """data = '{"a": 2, "a": 1}'""",
        """data = '{"a":1}'""",
        """data = '{"a": 1.0}'""",
        """data = '{"\\u0061": 1}'""",
    ],
)
def test_what_is_sealed_is_what_sqlite_stores(db, change):
    events = write(2, data={"a": 1})
    seal()
    assert verify() is None
    with unguarded():
        sql("PRAGMA ignore_check_constraints = on")
        sql(f"UPDATE tokens_event SET {change} WHERE id = %s", events[1].pk)
        sql("PRAGMA ignore_check_constraints = off")
        assert (verify().what, verify().event) == ("changed", events[1].pk)


def bounded(user, reason=""):
    event = audit.build_event(kind=Kind.PERMISSION_DENIED, actor=user, reason=reason)
    return audit.write_bounded(event, about=(user.pk,))


@pytest.mark.parametrize(
    "change",
    [
        {"opened_at": timezone.now() + timedelta(days=1)},
        {"opened_at": timezone.now() + timedelta(days=1), "left_out": 7},
        {"left_out": 2**31 - 1},
    ],
)
def test_changed_window_mutes_nothing(alice, change):
    assert bounded(alice)
    assert not bounded(alice)
    EventWindow.objects.update(**change)
    assert bounded(alice)
    assert not bounded(alice)


def test_window_that_no_event_opened_mutes_nothing(alice):
    assert bounded(alice)
    for _ in range(3):
        EventWindow.objects.update(opened_at=timezone.now() - timedelta(seconds=1))
        assert bounded(alice)
    assert not bounded(alice)


def test_infinite_window_mutes_nothing_and_is_purged(alice):
    assert bounded(alice)
    never = "infinity" if connection.vendor == POSTGRESQL else "9999-12-31 00:00:00"
    sql("UPDATE tokens_eventwindow SET opened_at = %s, left_out = 2147483647", never)
    purge.purge_windows(now=timezone.now(), reason="old")
    assert not EventWindow.objects.exists()
    assert bounded(alice)
    sql("UPDATE tokens_eventwindow SET opened_at = %s", never)
    assert bounded(alice)


def test_kept_seal_before_the_first_compared_one_is_refused(db):
    from django.core.management.base import CommandError

    write(9)
    seals = seal(size=3)
    with pytest.raises(CommandError, match="--from 2 leaves out seal 1"):
        call_command("verify_events", start=2, against=[str(seals[0])])
    with pytest.raises(ValueError, match="seal 1 was kept"):
        list(compare(start=2, against={1: seals[0].digest}))
    call_command("verify_events", start=2, against=[str(seals[1])])


@pytest.mark.parametrize("text", ["", "x", "[1]", '{"a": NaN}', '{"a": Infinity}', "[" * 10**5])
def test_other_text_than_an_object_is_not_read(text):
    assert read_object(text) is None


def test_objects_are_read_up_to_a_depth():
    def nested(depth):
        return '{"a":' * depth + "1" + "}" * depth

    assert read_object(nested(64)) is not None
    assert read_object(nested(65)) is None
    assert read_object('{"a": "' + "{" * 100 + '"}') is not None
