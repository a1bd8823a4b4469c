"""A filtered list, its review, the act, the API and the admin hold the same live rows."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.effort import times
from tests.support.users import make_user
from tokens.listing.revocable import RevocableQuery
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.models import BlacklistedToken, Cutoff, OutstandingToken, Session, SessionToken
from tokens.revocation import Selection, preview, revoke_matching

ADDRESSES = ("10.0.0.1", "10.0.0.2")
# The first one, and both.
NETWORKS = ("10.0.0.0/31", "10.0.0.0/24")
AGENTS = ("Firefox", "curl")
CLIENTS = ("", "cli")
LISTS: dict[str, type[RevocableQuery]] = {"tokens": TokenQuery, "sessions": SessionQuery}
row = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["alice", "bob", "gone"]),
        "ip": st.sampled_from(ADDRESSES),
        "moved": st.sampled_from([None, *ADDRESSES]),
        "user_agent": st.sampled_from(AGENTS),
        "client": st.sampled_from(CLIENTS),
        "age": st.integers(0, 9),
        "rotated": st.booleans(),
        "state": st.sampled_from(["live", "live", "revoked", "blacklisted", "foreign", "ended"]),
    }
)


def make_rows(rows, users, now):
    made = []
    for at in rows:
        opened = now - timedelta(days=at["age"])
        user, end = users[at["user"]], opened + timedelta(days=7)
        issued = [opened, opened + timedelta(hours=1)] if at["rotated"] else [opened]
        tokens = [
            OutstandingToken.objects.create(
                user=user, jti=uuid.uuid4().hex, token="h.p.", created_at=one, expires_at=end
            )
            for one in issued
        ]
        made += tokens
        if at["state"] == "foreign":
            continue
        session = Session.objects.create(
            user=user,
            username=user.username,
            created_at=opened,
            last_used_at=issued[-1],
            ends_at=end,
            expires_at=opened + timedelta(days=3 if at["state"] == "ended" else 30),
            revoked_at=now if at["state"] == "revoked" else None,
            current=tokens[-1],
            **{name: at[name] for name in ("ip", "user_agent", "client")},
        )
        if at.get("moved"):
            Session.objects.filter(pk=session.pk).update(ip=at["moved"])
        for token in tokens:
            SessionToken.objects.create(token=token, session=session)
        for token in tokens[:-1] if at["state"] != "blacklisted" else tokens:
            BlacklistedToken.objects.create(token=token)
    return made


@st.composite
def filters(draw, of):
    """Draw filters as an address would give them; the search and the user by their position."""
    days = st.none() | st.integers(-1, 10)
    statuses = ["", "", *dict(LISTS[of].filters()["status"].choices)]
    chosen = {
        "search": draw(
            st.sampled_from(["", "", "name", "other", "jti", "start", "sid", "ip", "net"])
        ),
        "at": draw(st.integers(0, 30)),
        "status": draw(st.sampled_from(statuses)),
        "user": draw(st.sampled_from(["", "", "alice", "bob"])),
        "device": draw(st.sampled_from(["", "", "fire", "x"])),
        "ip": draw(st.sampled_from(["", "", *ADDRESSES, *NETWORKS])),
        "client": draw(st.sampled_from(["", "", "cli"])),
    }
    for name in ("issued", "used", "expires"):
        for side in ("after", "before"):
            chosen[f"{name}_{side}"] = draw(st.none() | days)
    return chosen


def address(chosen, tokens, users, now):
    """Return the filters as the parameters of an address."""
    token = tokens[chosen["at"] % len(tokens)]
    session = Session.objects.filter(memberships__token=token).first()
    searches = {
        "": "",
        "name": "alice",
        "other": "bob",
        "jti": token.jti,
        "start": token.jti[:5],
        "sid": str(session.pk if session else uuid.uuid4()),
        "ip": ADDRESSES[chosen["at"] % 2],
        "net": NETWORKS[chosen["at"] % 2],
    }
    query = {n: chosen[n] for n in ("status", "device", "ip", "client") if chosen[n]}
    if text := searches[chosen["search"]]:
        query["q"] = text
    if chosen["user"]:
        query["user"] = str(users[chosen["user"]].pk)
    for name in ("issued", "used", "expires"):
        for side in ("after", "before"):
            if (days := chosen[f"{name}_{side}"]) is not None:
                at = now - timedelta(days=days, minutes=30)
                query[f"{name}_{side}"] = at.isoformat().replace("+00:00", "Z")
    return query


def live_of(listing):
    rows, cursor = set(), ""
    while True:
        page = listing.page(cursor=cursor, size=3)
        rows |= {row.pk for row in page.rows if row.status == "active"}
        cursor = page.older
        if not cursor:
            return rows


def live_tokens():
    return live_of(TokenQuery().listing())


def live_sessions():
    return live_of(SessionQuery().listing())


@pytest.mark.parametrize("of", LISTS)
@settings(
    max_examples=times(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), rows=st.lists(row, min_size=1, max_size=8), cut=st.booleans())
def test_list_review_and_act_hold_the_same_live_rows(db, of, data, rows, cut):
    with transaction.atomic():
        now = timezone.now()
        names = ("alice", "bob", "gone")
        users = {name: User.objects.create(username=name, password="!") for name in names}
        tokens = make_rows(rows, users, now)
        User.objects.filter(username="gone").update(is_active=False)
        if cut:
            Cutoff.objects.create(user=users["bob"], not_before=now - timedelta(days=2))
        query = address(data.draw(filters(of)), tokens, users, now)
        parsed = parse(of, query)
        shown, before = live_of(parsed.listing()), (live_tokens(), live_sessions())
        selection = Selection(matching=parsed)
        assert Selection.from_json(selection.as_json()) == selection
        if not selection.empty:
            counted = preview(selection=selection)
            ended = revoke_matching(selection=selection, actor=None, reason="x")
            gone = before[0] - live_tokens(), before[1] - live_sessions()
            assert gone[of == "sessions"] == shown
            assert (counted.tokens, counted.sessions) == (ended.tokens, ended.sessions)
            assert (ended.tokens, ended.sessions) == (len(gone[0]), len(gone[1]))
        transaction.set_rollback(True)


def parse(of, query):
    from django.http import QueryDict
    from django.utils.http import urlencode

    from tokens.staff.filters import SessionForm, TokenForm

    form = {"tokens": TokenForm, "sessions": SessionForm}[of](QueryDict(urlencode(query)))
    assert form.is_valid(), form.errors
    return form.query


@pytest.mark.parametrize("of", LISTS)
def test_page_api_and_admin_read_the_same_filters(client: Client, sam, login, of):
    alice, bob = make_user("alice"), make_user("bob")
    users = {"alice": alice, "bob": bob, "gone": bob}
    state = {"client": "cli", "age": 1, "rotated": True, "state": "live"}
    rows = [
        {"user": name, "ip": ip, "user_agent": agent, **state}
        for name, ip, agent in (("alice", ADDRESSES[0], "Firefox"), ("bob", ADDRESSES[1], "curl"))
    ]
    tokens = make_rows(rows, users, timezone.now())
    client.force_login(sam)
    bearer = {"Authorization": f"Bearer {login(client, sam)['access']}"}
    key = "jti" if of == "tokens" else "pk"
    admin = {"tokens": "token_blacklist/outstandingtoken", "sessions": "tokens/session"}[of]
    for query in (
        {"q": "alice"},
        {"q": tokens[0].jti},
        {"ip": ADDRESSES[0], "status": "active"},
        {"device": "fire", "client": "cli"},
        {"q": ADDRESSES[0], "ip": ADDRESSES[1]},
        {"q": NETWORKS[0]},
        {"ip": NETWORKS[0], "status": "active"},
    ):
        page = client.get(f"/staff/{of}/", query).context["page"].rows
        api = client.get(f"/api/staff/{of}", query, headers=bearer).json()["results"]
        listed = client.get(f"/admin/{admin}/", query).context["cl"].result_list
        expected = {str(getattr(row, key)) for row in page}
        assert {item["jti" if of == "tokens" else "id"] for item in api} == expected
        assert {str(getattr(row, key)) for row in listed} == expected
