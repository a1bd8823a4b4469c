"""Addresses and parameters that make no sense never cause a server error."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.tokens import pair_of
from tokens.audit.record import record
from tokens.models import Kind

ODD = [
    "abc",
    "1e5",
    "-1",
    "0",
    "9" * 30,
    "%00",
    "%ED%A0%80",
    "%E2%80%AE",
    "99999-01-01T00:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00%2B14:00",
    "0000-00-00",
    "٣",
    "a" * 300,
    "../../etc/passwd",
    "'\"<>",
]
PARAMETERS = [
    *("q", "user", "status", "device", "ip", "client", "page", "kind", "actor", "subject"),
    *("session", "jti", "after", "before", "issued_after", "issued_before", "used_after"),
    *(
        "expires_before",
        "next",
        "matching",
        "everybody",
        "token",
        "period",
        "o",
        "p",
        "_to_field",
        "id__in",
    ),
]
SKIPPED = ("logout", "jsi18n", "autocomplete", "password_change", "export")


def pages(patterns, prefix=""):
    """Yield the route of each staff, account and admin page."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from pages(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and not any(name in route for name in SKIPPED):
            yield route


def routes():
    found = pages(get_resolver().url_patterns)
    return [route for route in found if route.startswith(("staff/", "account/", "admin/"))]


def addresses(route, odd):
    """Return the address of ``route`` with each of its parts replaced by ``odd``."""
    import re

    return "/" + re.sub(r"<[^>]+>|\(\?P<[^)]*\)", odd, route).rstrip("$").replace("^", "")


@pytest.mark.django_db
@pytest.mark.parametrize("odd", ODD)
def test_odd_key_in_an_address_is_not_a_server_error(client, sam, odd):
    client.force_login(sam)
    for route in routes():
        address = addresses(route, odd)
        if address.isascii():
            answer = client.get(address)
            assert answer.status_code < 500, (address, answer.status_code)


@pytest.mark.django_db
@pytest.mark.parametrize("odd", ODD)
def test_odd_parameter_is_not_a_server_error(client, sam, alice, odd):
    pair_of(alice)
    client.force_login(sam)
    for route in routes():
        if "<" in route or "(" in route:
            continue
        # Each parameter alone for a part of the values, and all of them together for every value.
        turn = ODD.index(odd)
        alone = [f"{name}={odd}" for at, name in enumerate(PARAMETERS) if (at + turn) % 16 == 0]
        for query in [*alone, "&".join(f"{name}={odd}" for name in PARAMETERS)]:
            address = f"/{route}?{query}"
            answer = client.get(address)
            assert answer.status_code < 500, (address, answer.status_code)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/staff/revoke/?token=%00",
        "/admin/tokens/event/?kind=%00",
        "/admin/tokens/event/?request_id=%00",
        "/admin/tokens/event/?jti=%00",
        "/admin/tokens/session/?client=%00",
    ],
)
def test_filter_of_a_character_that_no_row_can_hold_is_not_a_server_error(client, sam, address):
    client.force_login(sam)
    assert client.get(address).status_code < 500
    path, _, query = address.partition("?")
    assert client.post(path, {"listed": query}).status_code < 500


@pytest.mark.django_db
@pytest.mark.parametrize("jti", ["a\nb", "a/b", "..", " ", "\u2028", "a\r\n", "?#%"])
def test_any_text_is_a_jti_that_pages_can_link_to(client, sam, jti):
    client.force_login(sam)
    record(kind=Kind.CLAIMS_VIEWED, actor=sam, jti=jti)
    for address in ("/staff/events/", "/admin/tokens/event/", "/api/staff/events"):
        for query in ({}, {"jti": jti}, {"token": jti}):
            assert client.get(address, query).status_code < 500, (address, query)
    assert client.get("/staff/revoke/", {"token": jti}).status_code < 500


@pytest.mark.django_db
def test_login_page_that_leads_to_itself_is_not_a_server_error(client, alice):
    client.force_login(alice)
    answer = client.get("/account/login/?next=/account/login/")
    assert answer.status_code == 302
    assert answer["Location"] == "/account/sessions/"
