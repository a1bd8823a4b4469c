"""After a full run nothing holds a token that would be accepted (invariant 1)."""

import io
import logging
import re

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse

from tests.support.users import PASSWORD
from tokens.jwt.claims import redact
from tokens.models import Event, Kind, OutstandingToken, Session
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import validate

TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]*\.[\w-]*")


def accepted(text):
    return [found for found in TOKEN.findall(text) if validate(token=found).failed != "signature"]


def dump():
    """Every column of every table, as text."""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            for row in cursor.fetchall():
                yield from map(str, row)


def plain_pages():
    """Return the address of every readable page without arguments."""
    for key in get_resolver().reverse_dict:
        if isinstance(key, str):
            yield from _address(key)
    for namespace in ("tokens_staff", "tokens_account", "admin", "tokens_api"):
        for pattern in get_resolver().namespace_dict[namespace][1].url_patterns:
            if isinstance(pattern, URLPattern) and pattern.name and "logout" not in pattern.name:
                yield from _address(f"{namespace}:{pattern.name}")
    for model in apps.get_models():
        yield from _address(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _address(name):
    try:
        yield reverse(name)
    except NoReverseMatch:
        return


def used(login, client, user):
    """Tokens in every state that would still be accepted if their signature were kept."""
    first = login(client, user)
    second = rotate(refresh=first["refresh"])
    return [*first.values(), second.refresh, second.access]


def test_the_database_holds_no_signature(api, alice, login):
    tokens = used(login, api, alice)
    text = "\n".join(dump())
    assert redact(tokens[0]) in text
    assert accepted(text) == []
    for token in tokens:
        assert token.rpartition(".")[2] not in text


def of_objects(user):
    """Return the pages about one token, session, account and event."""
    for token in OutstandingToken.objects.filter(user=user):
        yield reverse("tokens_staff:token", args=[token.jti])
        yield reverse("tokens_api:staff-token", args=[token.jti])
        yield reverse("admin:token_blacklist_outstandingtoken_change", args=[token.pk])
    for session in Session.objects.filter(user=user):
        yield reverse("tokens_staff:session", args=[session.pk])
        yield reverse("admin:tokens_session_change", args=[session.pk])
    yield reverse("tokens_staff:user", args=[user.pk])
    yield reverse("admin:auth_user_change", args=[user.pk])
    for event in Event.objects.all():
        yield reverse("admin:tokens_event_change", args=[event.pk])


@pytest.mark.once
def test_no_detail_page_shows_a_signature(client, api, alice, sam, login):
    tokens = used(login, api, alice)
    client.force_login(sam)
    bearer = {"authorization": f"Bearer {login(api, sam)['access']}"}
    for address in of_objects(alice):
        answer = client.get(address, headers=bearer)
        assert answer.status_code == 200, address
        assert hidden(answer.text, tokens), address


def hidden(text, tokens):
    return accepted(text) == [] and not [t for t in tokens if t.rpartition(".")[2] in text]


@pytest.fixture
def logged():
    """Return the log lines of the portal's own handler."""
    handlers = logging.getLogger().handlers
    (handler,) = (found for found in handlers if type(found) is logging.StreamHandler)
    before = handler.setStream(io.StringIO())
    yield handler.stream
    handler.setStream(before)


def test_pasted_token_is_stored_nowhere(
    client, api, alice, sam, login, logged, capsys, monkeypatch
):
    """In the inspector, its command, a search box, an address, a name at the login, a header."""
    tokens = used(login, api, alice)
    client.force_login(sam)
    for token in tokens:
        client.post(reverse("tokens_staff:inspect"), {"token": token})
        monkeypatch.setattr("sys.stdin", io.StringIO(token))
        call_command("inspect_token")
        for name in ("tokens", "sessions", "users"):
            client.get(reverse(f"tokens_staff:{name}"), {"q": token})
        client.get(f"/staff/tokens/{token}/")
        client.get(f"/nowhere/{token}")
        api.get(f"/api/nowhere/{token}")
        api.get(f"/api/staff/tokens/{token}")
        api.post("/api/login", {"username": token, "password": token}, format="json")
        api.post("/api/login", {"username": "alice", "password": token}, format="json")
        login(api, alice, HTTP_USER_AGENT=token, HTTP_X_CLIENT=token, HTTP_X_REQUEST_ID=token)
    assert Event.objects.filter(kind=Kind.TOKEN_INSPECTED).exists()
    assert hidden("\n".join(dump()), tokens)
    assert "Not Found: /staff/tokens/eyJ" in logged.getvalue()
    assert hidden(logged.getvalue(), tokens)
    said = capsys.readouterr()
    assert hidden(said.out + said.err, tokens)


@pytest.mark.parametrize("form", ["csv", "jsonl", "ecs"])
def test_no_export_holds_a_signature(api, alice, login, form, tmp_path):
    tokens = used(login, api, alice)
    file = tmp_path / "export"
    call_command("export_events", format=form, output=str(file))
    said = file.read_text()
    assert "login" in said
    assert hidden(said, tokens)


def test_no_repr_shows_a_signature(alice):
    pair = open_session(user=alice)
    said = [repr(pair), repr(validate(token=pair.refresh)), repr(validate(token=pair.access))]
    said += [
        repr(row) + str(row) for model in apps.get_models() for row in model._default_manager.all()
    ]
    assert hidden("\n".join(said), [pair.refresh, pair.access])


@pytest.mark.once  # Templates and serializers don't depend on the database.
@pytest.mark.slow
def test_no_list_page_shows_a_signature(client, api, alice, sam, login):
    tokens = [*used(login, api, alice), *used(login, api, sam)]
    client.force_login(sam)
    seen = 0
    for address in sorted(set(plain_pages())):
        answer = client.get(address)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        text = body.decode(errors="replace")
        assert accepted(text) == [], address
        assert not [t for t in tokens if t.rpartition(".")[2] in text], address
        seen += answer.status_code == 200
    assert seen >= 8


@pytest.mark.slow
def test_no_log_line_shows_a_signature(portal_server, alice):
    pair = portal_server.login("alice", PASSWORD)
    for path, body in (
        ("refresh", {"refresh": pair["refresh"]}),
        ("refresh", {"refresh": pair["refresh"] + "x"}),
        ("verify", {"token": pair["access"]}),
        ("verify", {"tokens": pair["access"]}),
        ("logout", {"refresh": pair["refresh"]}),
    ):
        portal_server.call("POST", f"/api/{path}", json=body)
    portal_server.call("GET", f"/api/restricted?token={pair['access']}", token=pair["access"])
    portal_server.call("GET", "/api/nowhere", token=pair["access"])
    portal_server.call("GET", f"/api/nowhere/{pair['access']}")
    portal_server.call("GET", f"/staff/tokens/{pair['refresh']}/")
    text = portal_server.log.read_text()
    assert "/api/refresh" in text
    for token in pair.values():
        assert token.rpartition(".")[2] not in text
