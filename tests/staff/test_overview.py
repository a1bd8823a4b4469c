"""The overview: figures that add up, and what needs a look, for those who may see it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.clock import travel
from tests.support.users import make_staff, make_user
from tokens import audit
from tokens.listing.stats import activity, crowded_users, live_sessions
from tokens.models import Event, Kind, Measure, Session
from tokens.revocation import revoke_user
from tokens.sessions.issue import open_session
from tokens.staff.charts import TRAFFIC, axis_end, change, chart, sparkline

URL = "/staff/"
HOUR = timedelta(hours=1)


def happened(kind, *, ago):
    return Event.objects.create(kind=kind, at=timezone.now() - ago, subject_name="alice")


def test_a_day_with_nothing_in_it(client, sam):
    client.force_login(sam)
    answer = client.get(URL)
    assert answer.status_code == 200
    assert [figure.number for figure in answer.context["figures"]] == [0, 0, 0, 0, 0]
    assert "No data in this period" in answer.text


@pytest.fixture
def eventful(db):
    """Write events of each kind that is counted, today, yesterday and a month ago."""
    with travel(datetime(2026, 11, 20, 12, 30, tzinfo=UTC), tick=False):
        for kind in Kind:
            for hours in (0, 1, 5, 23, 24, 24 * 7, 24 * 29):
                happened(kind, ago=timedelta(hours=hours, minutes=7))
        yield


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_figures_and_bars_open_as_many_events_as_they_count(client, sam, settings, eventful, zone):
    settings.TIME_ZONE = zone
    client.force_login(sam)
    context = client.get(URL).context

    def listed(address):
        return len(client.get(address).context["page"].rows)

    for figure in context["figures"]:
        assert listed(figure.address) == figure.number > 0, figure
    addresses = {
        address: number
        for period in context["periods"]
        for _start, numbers in period["rows"]
        for number, address in numbers
        if number
    }
    assert len(addresses) > 30
    for address, number in addresses.items():
        assert listed(address) == number, address
    bars = {
        bar.address
        for period in context["periods"]
        for drawn in period["charts"]
        for column in drawn.columns
        for bar in column.bars
    }
    assert bars == set(addresses)


def test_trail_opens_without_views_and_refreshes(client, sam, eventful):
    client.force_login(sam)
    assert "/staff/events/?kind=acts" in client.get(URL).text
    kinds = {event.kind for event in client.get("/staff/events/?kind=acts").context["page"].rows}
    assert kinds == set(Kind) - {Kind.REFRESH, Kind.CLAIMS_VIEWED}


def test_figures_are_those_of_the_last_day_against_the_day_before(client, sam, alice):
    open_session(user=alice)
    for _ in range(2):
        happened(Kind.LOGIN, ago=timedelta(hours=30))
    client.force_login(sam)
    logins = client.get(URL).context["figures"][0]
    assert (logins.measure, logins.number) == (Measure.LOGINS, 1)
    assert logins.change == "50% fewer than the day before"


def test_staff_read_what_they_cannot_see(client, sam, viewer, auditor, inspector):
    for user, hidden in (
        (viewer, "guessed password, refused logins, retry from elsewhere, retired keys"),
        (auditor, "many accounts, users with many sessions"),
        (inspector, "reuse, guessed password"),
    ):
        client.force_login(user)
        page = client.get(URL).text
        assert "Nothing needs attention" not in page
        assert "Nothing that you may see needs attention." in page
        told = page.split("You lack the permission to see: ")[1].split("</p>")[0]
        assert hidden in told or set(hidden.split(", ")) <= set(told.strip(" .\n").split(", "))
    client.force_login(sam)
    assert "Nothing needs attention" in client.get(URL).text


def test_a_user_with_many_sessions_needs_a_look(alice, bob):
    for _ in range(3):
        open_session(user=alice)
    open_session(user=bob)
    (crowd,) = crowded_users(at_least=3)
    assert (crowd.user_id, crowd.sessions, crowd.exact) == (alice.pk, 3, True)
    (crowd,) = crowded_users(at_least=2, among=3)
    assert (crowd.sessions, crowd.exact) == (2, False)


def test_number_of_live_sessions_opens_their_list(client, sam, viewer, alice):
    open_session(user=alice)
    ended = open_session(user=alice).session
    Session.objects.filter(pk=ended.pk).update(revoked_at=timezone.now())
    for user in (sam, viewer):
        client.force_login(user)
        assert 'href="/staff/sessions/?status=active"' in client.get(URL).text
        assert len(client.get("/staff/sessions/?status=active").context["page"].rows) == 1
    assert live_sessions().number == 1


def test_live_sessions_are_counted_to_a_limit(alice):
    for _ in range(3):
        open_session(user=alice)
    assert (live_sessions().number, live_sessions().more) == (3, False)
    assert (live_sessions(limit=2).number, live_sessions(limit=2).more) == (2, True)


def test_live_sessions_are_not_counted_through_all_that_was_revoked(alice, bob):
    open_session(user=bob)
    Session.objects.update(ends_at=timezone.now() + HOUR)
    for _ in range(6):
        open_session(user=alice)
    revoke_user(user=alice, actor=None, reason="left the company")
    assert (live_sessions(limit=8).number, live_sessions(limit=8).more) == (1, False)
    assert (live_sessions(limit=4).number, live_sessions(limit=4).more) == (0, True)


def test_staff_without_the_permission_see_no_events(client, viewer, alice):
    audit.record(kind=Kind.REUSE, subject=alice)
    client.force_login(viewer)
    answer = client.get(URL)
    assert answer.status_code == 200
    assert "figures" not in answer.context
    assert not answer.context["look"].findings


def test_others_do_not_come_in(client, alice):
    assert client.get(URL).status_code == 302
    client.force_login(alice)
    assert client.get(URL).status_code in (302, 403)


def test_markup_in_a_name_is_inert(client, sam):
    attack = "<script>alert(1)</script>"
    audit.record(kind=Kind.LOGIN_LOCKED, subject_name=attack, reason=attack)
    client.force_login(sam)
    assert attack not in client.get(URL).text


def test_the_number_of_queries_does_not_grow(client, sam, alice):
    client.force_login(sam)

    def queries():
        with CaptureQueriesContext(connection) as seen:
            client.get(URL)
        return len(seen)

    open_session(user=alice)
    audit.record(kind=Kind.REUSE, subject=alice)
    few = queries()
    for _ in range(6):
        open_session(user=alice)
        audit.record(kind=Kind.REUSE, subject=alice)
    assert queries() == few


def test_buckets_hold_what_happened_in_them(db):
    since = datetime(2026, 3, 1, tzinfo=UTC)
    for minutes in (0, 59, 60, 239):
        Event.objects.create(kind=Kind.LOGIN, at=since + timedelta(minutes=minutes))
    Event.objects.create(kind=Kind.LOGIN, at=since + 4 * HOUR)
    buckets = activity(since=since, until=since + 4 * HOUR, step=HOUR)
    assert [bucket.counts[Measure.LOGINS] for bucket in buckets] == [2, 1, 0, 1]
    (whole,) = activity(since=since, until=since + 4 * HOUR, step=4 * HOUR)
    assert whole.counts[Measure.LOGINS] == 4


def test_bars_stand_on_each_other_and_inside_the_picture(db):
    since = datetime(2026, 3, 1, tzinfo=UTC)
    buckets = activity(since=since, until=since + 2 * HOUR, step=HOUR)
    buckets[0].counts.update({Measure.LOGINS: 1, Measure.REFRESHES: 3})
    drawn = chart(title="x", buckets=buckets, measures=TRAFFIC)
    first, second = drawn.columns[0].bars
    assert drawn.top == 4
    assert (first.y, first.height) == ("75", "25")
    assert (second.y, second.height) == ("0", "75")
    assert drawn.columns[1].bars == []


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (10, 10), (11, 20), (99, 100), (720, 800)]
)
def test_axes_end_at_round_numbers(highest, top):
    assert axis_end(highest) == top


def test_change_is_described_in_words():
    assert change(now=3, before=3) == "as the day before"
    assert change(now=3, before=0) == "none the day before"
    assert change(now=3, before=2) == "50% more than the day before"


def test_a_sparkline_of_nothing_is_flat():
    assert sparkline([0, 0]) == "0,22 100,22"


@pytest.mark.parametrize(
    ("days", "said"),
    [(40, "all its tokens have expired"), (26, "expires soon"), (5, None)],
)
def test_a_retired_key_near_its_end_needs_a_look(client, sam, settings, days, said):
    settings.JWT_RETIRED_KEYS = ["HS256:an-older-key-of-the-tests-opening-nothing"]
    happened(Kind.KEY_RETIRED, ago=timedelta(days=days))
    client.force_login(sam)
    text = client.get(URL).text
    told = [words for words in ("all its tokens have expired", "expires soon") if words in text]
    assert told == ([said] if said else [])


def test_staff_without_the_right_read_who_can_log_everyone_out(client, viewer, sam):
    client.force_login(viewer)
    assert "Log everyone out: ask a superuser." in client.get(URL).text
    make_staff("chief", "revoke_token", "add_cutoff")
    group = Group.objects.create(name="on call")
    group.permissions.set(Permission.objects.filter(codename="add_cutoff"))
    make_user("nina").groups.add(group)
    make_user("gone", is_active=False).groups.add(group)
    assert "Log everyone out: ask chief, nina or a superuser." in client.get(URL).text
    client.force_login(sam)
    assert "or a superuser" not in client.get(URL).text
