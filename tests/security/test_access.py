"""The table in `access.txt` holds for every URL.

It is checked for each role and method, as a page, as a fragment, and with the wrong proof.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from tests.support.clock import travel
from tests.support.database.snapshot import LOOKS, everything
from tests.support.routes import Things, route_of, routes
from tests.support.users import ROLES, make_staff, make_user
from tokens.models import Kind
from tokens.sessions.issue import open_session

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET", "HEAD", "OPTIONS")
# These send on by any method, and do nothing else.
ONWARD = ("/", "/i18n/setlang/", "/account/login/")
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/staff/tokens/?q=bob"}


@dataclass(frozen=True)
class Row:
    address: str
    method: str
    answers: dict[str, str]

    @property
    def for_scripts(self) -> bool:
        return self.address.startswith("/api/")


def read_table() -> tuple[list[str], list[Row]]:
    lines = [
        line.split()
        for line in (Path(__file__).parent / "access.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    roles = lines[0][2:]
    return roles, [
        Row(line[0], line[1], dict(zip(roles, line[2:], strict=True))) for line in lines[1:]
    ]


EVERYBODY = (
    "matching=sessions",
    "status=active&matching=sessions",
    "matching=sessions&q=%20",
    "matching=sessions&issued_before=2099-01-01",
    "matching=sessions&used_before=2099-01-01&status=active",
    "matching=sessions&expires_before=2199-01-01",
    "matching=tokens&status=active",
    "matching=tokens&issued_before=2099-01-01",
    "matching=tokens&status=active&used_after=1970-01-02",
)
ADMIN_TOKENS = "/admin/token_blacklist/outstandingtoken/revoke-matching/"
PEOPLE, TABLE = read_table()


class Caller:
    """One role: a browser that is logged in, and a bearer token."""

    def __init__(self, role: str, things: Things) -> None:
        self.things = things
        self.user: Any = None
        self.extra: dict[str, Any] = {}
        mine = things.named["sid"]
        if role != "anonymous":
            self.user = person(role)
            pair = open_session(user=self.user)
            mine = pair.session.pk
            self.bearer = {"Authorization": f"Bearer {pair.access}"}
        self.mine = mine

    def call(self, row: Row, *, bearer: bool = True, **headers: str) -> Any:
        """Return the response, and roll back all that it did."""
        client = Client(enforce_csrf_checks=False, raise_request_exception=False)
        sent = dict(headers)
        with transaction.atomic():
            if self.user is not None and row.for_scripts and bearer:
                sent |= self.bearer
            elif self.user is not None:
                client.force_login(self.user)
            url = self.things.spell(row.address, mine=self.mine)
            answer: Any = client.generic(row.method, url, content_type=form(row), headers=sent)
            if answer.streaming:
                answer.getvalue()
            transaction.set_rollback(True)
        return answer


def form(row: Row) -> str:
    return "application/json" if row.for_scripts else "application/x-www-form-urlencoded"


def person(role: str) -> Any:
    if role == "user":
        return make_user("mallory")
    if role == "superuser":
        return make_user("root", is_staff=True, is_superuser=True)
    return make_staff(f"the-{role}", *ROLES.get(role, ()))


def text_of(answer: Any) -> str:
    if answer.status_code == 302 and "/login/?next=" in answer["Location"]:
        return "login"
    if answer.status_code == 204 and "HX-Redirect" in answer:
        return "login"
    return str(answer.status_code)


@pytest.fixture
def things(db, bob, sam) -> Things:
    return Things(bob=bob, sam=sam)


def test_every_url_is_in_the_table(things):
    listed = {route_of(things.spell(row.address, mine=things.named["sid"])) for row in TABLE}
    assert routes() - listed == set()


@pytest.mark.parametrize("role", PEOPLE)
def test_each_role_gets_the_status_in_the_access_table(things, role):
    caller = Caller(role, things)
    found = {f"{row.method} {row.address}": text_of(caller.call(row)) for row in TABLE}
    assert found == {f"{row.method} {row.address}": row.answers[role] for row in TABLE}


@pytest.mark.parametrize("role", ["anonymous", "viewer", "revoker", "superuser"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everybody_in_any_spelling_needs_the_permission_for_cutoffs(things, role, method):
    caller = Caller(role, things)
    asked = {"GET": "200", "POST": "422"}[method]
    staff = {"anonymous": "login", "superuser": asked}.get(role, "403")
    admin = {"anonymous": "login", "superuser": "200"}.get(role, "403")
    expected = {f"/staff/revoke/?{query}": staff for query in EVERYBODY}
    expected |= {"/admin/tokens/session/revoke-matching/?status=active": admin}
    expected |= {f"{ADMIN_TOKENS}?status=active": admin}
    found = {address: text_of(caller.call(Row(address, method, {}))) for address in expected}
    assert found == expected


# tests/staff/test_query_counts.py requests every fragment on each database.
@pytest.mark.once
@pytest.mark.parametrize("role", PEOPLE)
def test_fragment_has_the_permissions_of_its_page(things, role):
    """A fragment needs the same login as its page.

    ``HX-Request`` proves nothing. A visitor without a login is sent to it with the whole page.
    """
    caller = Caller(role, things)
    wrong = []
    for row in TABLE:
        if row.for_scripts:
            continue
        answer = caller.call(row, **HTMX)
        expected = row.answers[role]
        if text_of(answer) != expected and not (expected == "302" and text_of(answer) == "200"):
            wrong.append((row.method, row.address, text_of(answer), row.answers[role]))
        if text_of(answer) == "login" and row.address.startswith("/staff/"):
            login = urlsplit(answer.headers.get("HX-Redirect", ""))
            back = urlsplit(parse_qs(login.query)["next"][0])
            to = (answer.status_code, answer.content, login.path, back.path)
            # The form of a review was not sent: after the login, the review says so.
            review = (row.method, row.address.partition("?")[0]) == ("POST", "/staff/revoke/")
            if to != (204, b"", "/staff/login/", "/staff/revoke/" if review else "/staff/tokens/"):
                wrong.append((row.method, row.address, *to))
    assert not wrong, "\n".join(map(str, wrong))


def test_session_cookie_authenticates_no_api_call(things):
    """A cookie is no proof for the API, so no other site can use it."""
    caller = Caller("superuser", things)
    rows = [row for row in TABLE if row.for_scripts]
    found = {f"{row.method} {row.address}": text_of(caller.call(row, bearer=False)) for row in rows}
    assert found == {f"{row.method} {row.address}": row.answers["anonymous"] for row in rows}


def others() -> Iterator[Row]:
    """Return the methods that an address has no row for."""
    listed: dict[str, set[str]] = {}
    for row in TABLE:
        listed.setdefault(row.address, set()).add(row.method)
    for address, methods in listed.items():
        for method in METHODS:
            if method not in methods:
                yield Row(address, method, {})


@pytest.mark.parametrize("role", ["anonymous", "superuser"])
def test_method_that_the_access_table_omits_is_refused(things, role):
    caller = Caller(role, things)
    served = []
    for row in others():
        if row.address.startswith("/admin/"):
            continue  # Django's own views take these for a GET; the tests below say what holds.
        refused = {"401", "404", "405", "login", *(["302"] if row.address in ONWARD else [])}
        if (got := text_of(caller.call(row))) not in refused:
            served.append(f"{row.method} {row.address}: {got}")
    assert not served, "\n".join(served)


@pytest.fixture
def moment() -> Iterator[None]:
    """Stop the clock: any request writes when its browser session was used, once a minute."""
    with travel(timezone.now(), tick=False):
        yield


def unsafe() -> list[Row]:
    written = [row for row in TABLE if row.method not in SAFE and not row.for_scripts]
    return [*written, *(row for row in others() if row.method != "GET" and not row.for_scripts)]


def test_unsafe_page_request_without_a_csrf_token_is_refused(things, moment):
    """A superuser gets 403 at any address, and nothing changes."""
    caller = Caller("superuser", things)
    client = Client(enforce_csrf_checks=True)
    client.force_login(caller.user)
    before = everything()
    wrong = []
    for row in unsafe():
        url = things.spell(row.address, mine=caller.mine)
        answer = client.generic(row.method, url, "", form(row))
        if answer.status_code not in (403, 405):
            wrong.append(f"{row.method} {row.address}: {answer.status_code}")
    assert not wrong, "\n".join(map(str, wrong))
    assert everything() == before


@pytest.mark.parametrize("method", SAFE)
def test_safe_requests_change_no_row(things, moment, method):
    """A GET leaves a line in the trail that says who looked at what. The others show nothing.

    Each of them may be denied, and that is recorded.
    """
    events = LOOKS if method == "GET" else (Kind.PERMISSION_DENIED,)
    caller = Caller("superuser", things)
    client = Client()
    client.force_login(caller.user)
    before = everything(leaving_out=events)
    changed = []
    for address in dict.fromkeys(row.address for row in TABLE):
        row = Row(address, method, {})
        headers = caller.bearer if row.for_scripts else {}
        client.generic(method, things.spell(address, mine=caller.mine), headers=headers)
        now = everything(leaving_out=events)
        changed += [f"{address}: {name}" for name in now if now[name] != before[name]]
        before = now
    assert not changed, "\n".join(changed)
