"""The columns of a list are declared once, and each face shows its part of them."""

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.support.tokens import pair_of
from tests.support.users import make_staff
from tokens import audit
from tokens.admin.trail import CutoffQuery
from tokens.audit.serializers import FIELDS, EventJson
from tokens.listing.columns import API, ColumnType, Place
from tokens.listing.events import EventQuery
from tokens.listing.sessions import SessionQuery, session_row
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.models import Kind, Session
from tokens.origin import Origin
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session
from tokens.templatetags.list_cells import CELLS
from tokens.templatetags.list_rows import LISTS as TABLES

MARKUP = "<b>&'\""
LISTS = (TokenQuery, SessionQuery, UserQuery, EventQuery, CutoffQuery)


@pytest.mark.parametrize("query", LISTS)
def test_no_face_shows_two_columns_of_one_name(query):
    names = [column.name for column in query.columns]
    assert len(names) == len(set(names))
    assert all(column.on for column in query.columns)


@pytest.mark.parametrize("query", TABLES.values())
def test_every_column_of_a_page_has_a_label_and_a_cell(query):
    shown = [*query.columns_on(Place.TABLE), *query.columns_on(Place.PAGE)]
    assert shown
    assert all(column.label and column.cell in CELLS for column in shown)
    assert sum(column.heads for column in query.columns_on(Place.TABLE)) == 1


def test_every_cell_is_used_by_a_column_or_is_the_cell_of_a_type():
    used = {column.cell for query in TABLES.values() for column in query.columns}
    assert CELLS.keys() - used <= set(ColumnType)


@pytest.mark.parametrize("query", [TokenQuery, SessionQuery, UserQuery, EventQuery])
def test_every_column_of_the_api_has_an_example_of_its_type(query):
    for column in query.columns_on(API):
        if column.example is None:
            assert column.null
        if column.type is ColumnType.CHOICE:
            assert column.example in column.choices


def test_exports_hold_exactly_the_columns_of_the_api():
    assert tuple(EventJson.__annotations__) == FIELDS


def test_answers_of_the_api_hold_the_columns_with_their_values(db, alice: User, api: APIClient):
    held = pair_of(alice).session
    staff = pair_of(make_staff("sam", "view_session"))
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {staff.access}"}
    answer = api.get(f"/api/staff/sessions/{held.pk}", **bearer).json()
    columns = [column.name for column in SessionQuery.columns_on(Place.API)]
    assert list(answer) == [*columns, "addresses", "reach"]
    session = Session.objects.get(pk=held.pk)
    assert answer["username"] == session.username
    assert answer["rotations"] == session.rotations
    assert answer["revoked_by"] == session.revoked_by_name


def test_table_and_page_of_a_session_show_the_declared_columns(client, db, alice: User):
    held = pair_of(alice).session
    revoke_session(session=pair_of(alice).session, actor=None, reason="lost device")
    client.force_login(make_staff("sam", "view_session"))
    table = client.get("/staff/sessions/").content.decode()
    # If no row has ended, the table leaves that column out.
    assert "Ended</th>" not in client.get("/staff/sessions/?status=active").text
    page = client.get(f"/staff/sessions/{held.pk}/").content.decode()
    for column in SessionQuery.columns_on(Place.TABLE):
        assert f"{column.label}</th>" in table
    # The page leaves out what the session has no value for. Its end and its device are no columns.
    row = session_row(pk=held.pk)
    derived = {"ended": row.revoked_at, "device": "unknown"}
    for column in SessionQuery.columns_on(Place.PAGE):
        value = derived[column.name] if column.name in derived else column.value(row)
        assert (f"<dt>{column.label}</dt>" in page) is (value not in (None, ""))


@pytest.mark.parametrize("ip", [None, "10.0.0.1"])
@pytest.mark.parametrize("agent", ["", "curl/8.0"])
def test_only_what_people_wrote_is_escaped_in_a_row(client, db, alice: User, ip, agent):
    origin = Origin(ip=ip, user_agent=agent)
    open_session(user=alice, origin=origin)
    viewer = make_staff("sam", "view_event", "view_session", "view_outstandingtoken")
    client.force_login(viewer)
    for name in ("events", "sessions", "tokens", "users"):
        table = client.get(f"/staff/{name}/").content.decode().partition("<tbody>")[2]
        assert "<tr" in table
        assert "&lt;" not in table


@pytest.mark.parametrize("ip", [None, "10.0.0.1"])
def test_markup_in_what_people_wrote_is_shown_as_text(client, db, alice: User, ip):
    User.objects.filter(pk=alice.pk).update(username=MARKUP, email=MARKUP)
    alice.refresh_from_db()
    origin = Origin(ip=ip, user_agent=MARKUP, client=MARKUP)
    held = open_session(user=alice, origin=origin).session
    viewer = make_staff("sam", "view_event", "view_session", "view_outstandingtoken")
    revoke_session(session=held, actor=alice, reason=MARKUP)
    audit.record(kind=Kind.EXPORTED, actor=alice, reason=MARKUP, data={MARKUP: MARKUP})
    client.force_login(viewer)
    for address in ("events/", "sessions/", "tokens/", "users/", f"sessions/{held.pk}/"):
        page = client.get(f"/staff/{address}").content.decode()
        assert "&lt;b&gt;" in page
        assert "<b>" not in page
