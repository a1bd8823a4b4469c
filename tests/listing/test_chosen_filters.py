"""A filter that is chosen narrows its list: it shows matching rows only, or none."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.http import QueryDict
from django.utils import timezone

from tests.support.bulk_sessions import hold
from tests.support.users import make_user
from tokens.admin.filters import TextFilter, list_filters
from tokens.admin.trail import CutoffQuery
from tokens.api.lists import _form
from tokens.jwt.signing import refresh_start
from tokens.listing.events import EventQuery
from tokens.listing.query import FilterType, declare
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.management.filters import add_filters, read_filters
from tokens.models import Cutoff, Event, Kind, OutstandingToken, Session, SigningKey
from tokens.staff.filters import RevocableForm


def account_of_alice() -> int:
    return User.objects.get(username="alice").pk


def session_of_alice() -> uuid.UUID:
    return Session.objects.get(user__username="alice").pk


LISTS = (TokenQuery, SessionQuery, UserQuery, EventQuery, CutoffQuery)
# Whose row a value selects, the value, and a value that no row has.
Choice = tuple[str, object, object]
EACH = [(query, name) for query in LISTS for name in query.filters()]
NOW = timezone.now()
LONG_AGO, RECENT, SOON, FAR = (NOW + timedelta(days=days) for days in (-90, -5, 3, 90))
LATE, EARLY = ("alice", RECENT, FAR), ("bob", RECENT, LONG_AGO)
REVOCABLE: dict[str, Choice] = {
    "q": ("alice", "alice", "nothing like it"),
    "status": ("alice", "active", "rotated"),
    "user": ("alice", account_of_alice, 0),
    "issued_within": ("alice", "7d", "1h"),
    "used_within": ("alice", "7d", "1h"),
    "expires_within": ("bob", "24h", "1h"),
    "issued_after": LATE,
    "issued_before": EARLY,
    "used_after": LATE,
    "used_before": EARLY,
    "expires_after": ("alice", SOON, FAR),
    "expires_before": ("bob", SOON, LONG_AGO),
    "device": ("alice", "firefox", "nothing like it"),
    "ip": ("alice", "10.0.0.1", "10.0.0.99"),
    "client": ("alice", "cli", "nothing like it"),
}
CHOICES: dict[object, dict[str, Choice]] = {
    TokenQuery: REVOCABLE,
    SessionQuery: REVOCABLE
    | {
        "status": ("alice", "active", "expired"),
        "signing_key": ("alice", "key-of-alice", "nothing like it"),
    },
    UserQuery: {
        "q": ("alice", "alice", "nothing like it"),
        "status": ("alice", "active", "nothing like it"),
        "used_within": ("alice", "7d", "1h"),
    },
    EventQuery: {
        "q": ("alice", "alice", "nothing like it"),
        "kind": ("alice", Kind.LOGIN.value, Kind.REUSE.value),
        "actor": ("alice", account_of_alice, 0),
        "subject": ("alice", account_of_alice, 0),
        "session": ("alice", session_of_alice, uuid.UUID(int=0)),
        "jti": ("alice", "jti-of-alice", "nothing like it"),
        "request_id": ("alice", "request-of-alice", "nothing like it"),
        "ip": ("alice", "10.0.0.1", "10.0.0.99"),
        "within": ("alice", "7d", "1h"),
        "after": LATE,
        "before": EARLY,
    },
    CutoffQuery: {"user": ("alice", account_of_alice, 0)},
}


@pytest.fixture
def users(alice: User) -> dict[str, User]:
    """Two accounts that differ in everything that a filter reads."""
    days = {
        "alice": (NOW - timedelta(days=1), NOW + timedelta(days=6)),
        "bob": (NOW - timedelta(days=10), NOW + timedelta(days=1)),
    }
    accounts = {"alice": alice, "bob": make_user("bob", is_active=False)}
    for number, (name, user) in enumerate(accounts.items(), start=1):
        (session,) = hold(user, 1)
        begin, end = days[name]
        SigningKey.objects.create(kid=f"key-of-{name}", algorithm="ES256", protected=b"")
        OutstandingToken.objects.filter(user=user).update(
            created_at=begin,
            expires_at=end,
            token=f"{refresh_start(kid=f'key-of-{name}', algorithm='ES256')}e30.",
        )
        Session.objects.filter(user=user).update(
            created_at=begin,
            last_used_at=begin,
            ends_at=end,
            expires_at=end,
            ip=f"10.0.0.{number}",
            user_agent={"alice": "Mozilla/5.0 Firefox/133.0", "bob": "curl/8.0"}[name],
            client={"alice": "cli", "bob": "app"}[name],
            rotations=number - 1,
        )
        if name == "bob":
            Session.objects.filter(user=user).update(revoked_at=NOW)
        kind = {"alice": Kind.LOGIN, "bob": Kind.LOGOUT}[name]
        Event.objects.create(
            kind=kind, at=begin, actor=user, actor_name=name, subject=user, subject_name=name,
            session_id=session.pk, jti=f"jti-of-{name}", ip=f"10.0.0.{number}",
            request_id=f"request-of-{name}",
        )  # fmt: skip
        Cutoff.objects.create(user=user, not_before=LONG_AGO)
    return accounts


def owners(query) -> list[str]:
    """Return whose rows a list shows, by user name."""
    rows = query.listing().page().rows
    return sorted(getattr(row, "username", None) or owner_of(row) for row in rows)


def owner_of(row) -> str:
    return row.subject_name if isinstance(row, Event) else row.user.username


@pytest.mark.parametrize("query", LISTS)
def test_every_declared_filter_is_tested_here(query):
    assert CHOICES[query].keys() == query.filters().keys()


@pytest.mark.parametrize(("query", "name"), EACH)
def test_chosen_filter_shows_matching_rows_only(users, query, name):
    assert owners(query()) == ["alice", "bob"]
    owner, value, none = CHOICES[query][name]
    value = value() if callable(value) else value
    for chosen, shown in ((value, [owner]), (none, [])):
        one = query(**{name: chosen})
        assert one.chosen() == {name: chosen}
        assert owners(one) == shown


@pytest.mark.parametrize("query", LISTS)
def test_unknown_choice_shows_nothing(users, query):
    for name, declared in query.filters().items():
        if declared.type is FilterType.CHOICE:
            assert owners(query(**{name: "nonsense"})) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class OddQuery(SessionQuery):
    """A list with filters whose values may be zero or False."""

    rotations: int | None = declare(
        None,
        type=FilterType.NUMBER,
        label="Rotations",
        words="rotated %s times",
        lookup="rotations",
    )
    unended: bool | None = declare(
        None,
        type=FilterType.NUMBER,
        label="Ended",
        words="not ended: %s",
        lookup="revoked_at__isnull",
        indexed=False,
    )


def test_zero_and_false_are_values_like_any_other(users):
    for chosen, shown in (
        ({"rotations": 0}, ["alice"]),
        ({"rotations": 1}, ["bob"]),
        ({"rotations": 7}, []),
        ({"unended": False}, ["bob"]),
        ({"unended": True}, ["alice"]),
    ):
        query = OddQuery(**chosen)
        assert query.chosen() == chosen
        assert owners(query) == shown
        assert [s.user.username for s in query.live_sessions()] == [n for n in shown if n != "bob"]
        assert OddQuery.from_json(query.as_json()) == query
        assert not query.everything_live
        assert not query.spans_everything


class OddForm(RevocableForm):
    list_query = OddQuery


def test_every_face_reads_a_number(rf):
    request = rf.get("/admin/tokens/session/")
    parser = CommandParser(called_from_command_line=False)
    add_filters(parser, OddQuery)
    fields = _form("Odd", OddQuery)
    (odd,) = list_filters(OddQuery, only=("rotations",))
    assert issubclass(odd, TextFilter)
    for text, number in (("0", 0), ("12", 12), ("-1", None), ("1_0", None), ("9" * 19, None)):
        form, asked = OddForm(QueryDict(f"rotations={text}")), fields(data={"rotations": text})
        admin = odd(request, {"rotations": [text]}, Session, site._registry[Session]).chosen()
        if number is None:
            assert form.query == OddQuery.none()
            assert not asked.is_valid()
            assert admin is None
            with pytest.raises(CommandError):
                parser.parse_args([f"--rotations={text}"])
        else:
            wanted = {"rotations": number}
            assert form.given() == wanted
            assert asked.is_valid()
            assert asked.validated_data == admin == wanted
            given = vars(parser.parse_args([f"--rotations={text}"]))
            assert read_filters(OddQuery, given) == wanted


@pytest.mark.parametrize("query", [q for q in LISTS if "q" in q.filters()])
def test_search_for_spaces_is_no_search(users, query):
    assert query(q=" \t") == query()
    assert owners(query(q="\0")) == []
