"""After a full run nothing holds a token that would be accepted (invariant 1)."""

import re

import pytest
from django.apps import apps
from django.db import connection
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse

from tests.support.people import PASSWORD
from tokens.claims import redact
from tokens.rotation import rotate
from tokens.verdict import explain

TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]*\.[\w-]*")


def accepted(text):
    return [found for found in TOKEN.findall(text) if explain(token=found).failed != "signature"]


def dump():
    """Every column of every table, as text."""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            for row in cursor.fetchall():
                yield from map(str, row)


def plain_pages():
    """The address of every page that takes no argument and may be read."""
    for key in get_resolver().reverse_dict:
        if isinstance(key, str):
            yield from _address(key)
    for namespace in ("staff", "account", "admin", "api"):
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


@pytest.mark.slow
def test_no_page_shows_one(client, api, alice, sam, login):
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
def test_no_log_line_shows_one(portal_server, alice):
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
    text = portal_server.log.read_text()
    assert "/api/refresh" in text
    for token in pair.values():
        assert token.rpartition(".")[2] not in text
