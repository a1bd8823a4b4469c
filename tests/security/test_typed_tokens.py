"""A token that is typed into every field of the product keeps its signature nowhere."""

import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection
from django.test import Client
from django.urls import Resolver404, resolve

from tests.support.forms import Form, Page
from tests.support.users import PASSWORD
from tokens.models import Event

# Short enough for every field, so that no limit of length refuses it.
SIGNATURE = "T0kEn-sIgNaTuRe_tHaT-mUsT-bE-nOwHeRe-012345"
TOKEN = f"eyJhIjoxfQ.eyJiIjoyfQ.{SIGNATURE}"
# What a person pastes differs; each field gets one of these.
PASTED = (
    TOKEN,
    f"Bearer {TOKEN}",
    f"x@{TOKEN}",
    TOKEN.replace(".", "%2E"),
    f"'{TOKEN}'",
    "".join(chr(ord(c) + 0xFEE0) for c in TOKEN),
    f'{{"payload":"eyJiIjoyfQ","protected":"eyJhIjoxfQ","signature":"{SIGNATURE}"}}',
)
# These end the run, or ask for what is never typed there.
SKIPPED = ("/logout", "password", "/delete/", "/setlang/", "/static/", "/api/docs")
START = (
    "/staff/",
    "/account/sessions/",
    "/admin/",
    "/staff/inspect/",
    "/staff/revoke/?everybody=1",
)
GENERAL_OPTIONS = ("help", "verbosity", "settings", "pythonpath")
METHODS = ("get", "post", "put", "patch", "delete")
MOST_PAGES, MOST_FORMS = 90, 120


def spellings(text: str) -> Iterator[str]:
    yield text
    yield normalize("NFKC", unquote(unquote(text)))


def shows(text: str) -> bool:
    """Tell whether a text holds the signature, or half of it, however it is encoded."""
    half = len(SIGNATURE) // 2
    return any(SIGNATURE[:half] in t or SIGNATURE[half:] in t for t in spellings(text))


class Typist:
    """Walk the site with a browser session, and note where the signature shows up."""

    def __init__(self, url: str, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.url = url
        self.http = requests.Session()
        self.http.cookies.update({name: morsel.value for name, morsel in client.cookies.items()})
        self.found: list[str] = []
        self.forms: dict[tuple[str, str, frozenset[str]], Form] = {}
        self.pages: set[str] = set()

    def look(self, address: str, answer: requests.Response) -> None:
        for one in [*answer.history, answer]:
            assert one.status_code < 500, (one.request.method, one.url, one.text[:300])
            said = "\n".join(f"{name}: {value}" for name, value in one.headers.items())
            if shows(one.text) or shows(said):
                self.found.append(f"{one.request.method} {address} {one.status_code}")

    def get(self, address: str) -> requests.Response:
        answer = self.http.get(address, timeout=30)
        self.look(address, answer)
        return answer

    def walk(self) -> None:
        """Read one page of each kind, and collect its forms."""
        waiting, self.pages = [self.url + path for path in START], set()
        kinds: set[str] = set()
        while waiting and len(self.pages) < MOST_PAGES:
            address = waiting.pop(0)
            if address in self.pages or (kind := self._kind(address)) in kinds:
                continue
            kinds.add(kind)
            self.pages.add(address)
            answer = self.get(address)
            if "text/html" not in answer.headers.get("Content-Type", ""):
                continue
            page = Page(answer.url, answer.text)
            waiting += [link.partition("#")[0] for link in page.links if self._follows(link)]
            for form in page.forms:
                if self._follows(form.action) and form.typed:
                    key = (urlsplit(form.action).path, form.method, frozenset(form.typed))
                    self.forms.setdefault(key, form)

    def type(self) -> int:
        """Type a token into each field of each form, and send it."""
        for at, form in enumerate(list(self.forms.values())[:MOST_FORMS]):
            text = PASTED[at % len(PASTED)]
            data = form.filled(text)
            if form.method == "get":
                answer = self.http.get(form.action, params=data, timeout=30)
            else:
                csrf = self.http.cookies.get("csrftoken", "")
                sent = [(n, csrf if n == "csrfmiddlewaretoken" else v) for n, v in data]
                answer = self.http.post(
                    form.action, data=sent, headers={"Referer": form.action}, timeout=30
                )
            self.look(form.action, answer)
        return len(self.forms)

    def _kind(self, address: str) -> str:
        parts = urlsplit(address)
        names = sorted(pair.partition("=")[0] for pair in parts.query.split("&"))
        return f"{resolve(parts.path).route}?{names}" if parts.path != "/" else "/"

    def _follows(self, link: str) -> bool:
        if not link.startswith(self.url) or any(part in link for part in SKIPPED):
            return False
        try:
            resolve(urlsplit(link).path)
        except Resolver404:
            return False
        return True


def type_into_api(server: Any, bearer: str) -> Iterator[str]:
    """Type tokens into every parameter and body of the API that the schema names."""
    schema = server.call("GET", "/api/schema").json()
    every = [(p, m, o) for p, methods in schema["paths"].items() for m, o in methods.items()]
    # DELETE ends the caller's own sessions, so it comes last.
    for path, method, operation in sorted(every, key=lambda one: one[1] == "delete"):
        if method in METHODS:
            query, address = {}, path
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    query[parameter["name"]] = TOKEN
                else:
                    address = address.replace(f"{{{parameter['name']}}}", TOKEN)
            for names in ({}, *({name: value} for name, value in query.items()), query):
                answer = server.call(
                    method.upper(), address, params=names, json=_body(schema, operation),
                    token=bearer, headers={"X-Client": TOKEN, "User-Agent": TOKEN},
                )  # fmt: skip
                assert answer.status_code < 500, (method, address, answer.text)
                yield answer.text + str(answer.headers)


def _body(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, str]:
    bodies: list[Any] = list(operation.get("requestBody", {}).get("content", {}).values())
    form = bodies[0]["schema"] if bodies else {}
    name = form.get("$ref", "").rpartition("/")[2]
    described = schema["components"]["schemas"][name] if name else form
    return dict.fromkeys(described.get("properties", {}), TOKEN)


def type_into_commands() -> int:
    """Give tokens to every option of the app's commands that takes a text."""
    typed = 0
    for name, app in get_commands().items():
        if app not in ("tokens", "portal") or name in ("quickstart", "seed_demo"):
            continue
        command = load_command_class(app, name)
        actions = command.create_parser("manage.py", name)._actions
        names = {action.dest for action in actions}
        for action in actions:
            if action.nargs == 0 or action.dest in GENERAL_OPTIONS:
                continue
            given = [*action.option_strings[-1:], TOKEN]
            reason = ["--reason", TOKEN] if "reason" in names else []
            with suppress(SystemExit, OSError):
                command.run_from_argv(["manage.py", name, *given, *reason])
            typed += 1
    return typed


def dump() -> Iterator[str]:
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            for row in cursor.fetchall():
                yield from (f"{name}: {value}" for value in row)
    for session in BrowserSession.objects.all():
        yield f"session: {session.get_decoded()}"


@pytest.mark.slow
def test_no_field_keeps_the_signature_of_a_token(
    portal_server: Any, sam: User, alice: User, capsys: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN))
    monkeypatch.chdir(tmp_path)
    portal_server.login("alice", PASSWORD)
    bearer = portal_server.login("sam", PASSWORD)["access"]

    said = [text for text in type_into_api(portal_server, bearer) if shows(text)]
    assert said == []
    assert type_into_commands() >= 20
    # The login stored a newer hash of the password.
    sam.refresh_from_db()
    typist = Typist(portal_server.url, sam)
    typist.walk()
    assert typist.type() >= 15
    # The forms may have ended nothing: every session was over by then.
    portal_server.login("alice", PASSWORD)
    bearer = portal_server.login("sam", PASSWORD)["access"]
    ended = portal_server.call(
        "POST", f"/api/staff/users/{alice.pk}/revoke", json={"reason": TOKEN}, token=bearer
    )
    assert ended.status_code == 200
    for visitor in ("/staff/login/", "/account/login/", "/admin/login/"):
        for field in ("username", "next"):
            client = Typist(portal_server.url, sam)
            page = Page(portal_server.url + visitor, client.get(portal_server.url + visitor).text)
            for form in page.forms:
                data = dict(form.fields) | {"password": TOKEN, field: TOKEN}
                client.look(visitor, client.http.post(form.action, data=data, timeout=30))
        assert client.found == []
    typist.walk()
    assert len(typist.pages) >= 30
    assert typist.found == []

    assert Event.objects.filter(reason__contains="eyJ").exists()
    assert [text for text in dump() if shows(text)] == []
    assert not shows(portal_server.log.read_text())
    for form in ("csv", "jsonl", "ecs"):
        call_command("export_events", format=form, output=str(tmp_path / form))
        assert not shows((tmp_path / form).read_text())
    printed = capsys.readouterr()
    assert not shows(printed.out + printed.err)
