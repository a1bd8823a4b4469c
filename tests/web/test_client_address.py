"""The headers of proxies are used only as far as the hops are trusted."""

import time

import pytest
from django.test import RequestFactory

from tokens.web.middleware import (
    client_address,
    origin_of,
    request_id_of,
    take_scheme_of_proxy,
)

TEN = ("10.0.0.0/8",)


def address(remote, forwarded=None, proxies=(), **headers):
    if forwarded is not None:
        headers["HTTP_X_FORWARDED_FOR"] = forwarded
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    return client_address(request, proxies=proxies)


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "expected"),
    [
        ("203.0.113.5", None, (), "203.0.113.5"),
        ("203.0.113.5", "1.1.1.1", (), "203.0.113.5"),
        ("203.0.113.5", "1.1.1.1", ("10.0.0.0/8",), "203.0.113.5"),
        ("10.0.0.1", "203.0.113.5", ("10.0.0.0/8",), "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.5", ("10.0.0.0/8",), "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.5, 10.0.0.2", ("10.0.0.0/8",), "203.0.113.5"),
        ("10.0.0.1", "203.0.113.5, rubbish", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("::ffff:10.0.0.1", "203.0.113.5", ("10.0.0.0/8",), "203.0.113.5"),
        ("::ffff:203.0.113.5", None, (), "203.0.113.5"),
        ("2001:db8::1", "1.1.1.1", ("10.0.0.0/8",), "2001:db8::1"),
        ("fe80::1%eth0", None, (), "fe80::1"),
        ("", None, (), None),
        ("unix:", None, (), None),
    ],
)
def test_client_address_is_the_nearest_that_is_not_a_trusted_proxy(
    remote, forwarded, proxies, expected
):
    assert address(remote, forwarded, proxies) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("203.0.113.5:51234", "203.0.113.5"),
        ("[2001:db8::5]:443", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("2001:db8::5", "2001:db8::5"),
        ('"203.0.113.5"', "203.0.113.5"),
        ('"[2001:db8::5]:443"', "2001:db8::5"),
        ("1.1.1.1, 203.0.113.5,", "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5, ,10.0.0.2:80, ", "203.0.113.5"),
        ("203.0.113.5, unknown", "10.0.0.1"),
        ("[203.0.113.5", "10.0.0.1"),
        (":", "10.0.0.1"),
        (",", "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_as_proxies_write_it(header, expected):
    assert address("10.0.0.1", header, TEN) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=203.0.113.5", "203.0.113.5"),
        ("For=203.0.113.5;proto=https;by=10.0.0.1", "203.0.113.5"),
        ('proto=https ; for="203.0.113.5:51234"', "203.0.113.5"),
        ('for="[2001:db8::5]:443"', "2001:db8::5"),
        ("for=1.1.1.1, for=203.0.113.5", "203.0.113.5"),
        ("for=1.1.1.1, for=203.0.113.5, for=10.0.0.2;host=a,", "203.0.113.5"),
        ('for=1.1.1.1, for=203.0.113.5;host="a,for=2.2.2.2"', "203.0.113.5"),
        ('for="203\\.0.113.5"', "203.0.113.5"),
        # An element without an address, and names that hide one (RFC 7239, section 6.3).
        ("for=203.0.113.5, proto=https", "10.0.0.1"),
        ("for=203.0.113.5, for=unknown", "10.0.0.1"),
        ("for=203.0.113.5, for=_secret", "10.0.0.1"),
        ("rubbish", "10.0.0.1"),
        ("", "10.0.0.1"),
        # The client left a quote open; the proxy appended its element.
        ('for="1.1.1.1, for=203.0.113.5', "203.0.113.5"),
        ('for=1.1.1.1;x=", for="[2001:db8::5]:443"', "2001:db8::5"),
        ('for=1.1.1.1;x="\\, for="203.0.113.5"', "203.0.113.5"),
    ],
)
def test_forwarded_of_a_trusted_proxy_gives_the_address(header, expected):
    assert address("10.0.0.1", None, TEN, HTTP_FORWARDED=header) == expected


def test_forwarded_is_ignored_beside_x_forwarded_for_and_from_others():
    spoofed = {"HTTP_FORWARDED": "for=1.1.1.1"}
    assert address("10.0.0.1", "203.0.113.5", TEN, **spoofed) == "203.0.113.5"
    assert address("203.0.113.5", None, TEN, **spoofed) == "203.0.113.5"


def test_hostile_forwarded_header_is_read_quickly():
    began = time.thread_time()
    for part in ("for=10.0.0.2,", ',a="', ";", 'a="\\",', "a=b;"):
        address("10.0.0.1", None, TEN, HTTP_FORWARDED=part * (8000 // len(part)))
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("peer", ["", "unix:"])
def test_peer_on_a_socket_is_trusted_only_if_the_setting_says_so(peer):
    assert address(peer, "203.0.113.5", ("unix",)) == "203.0.113.5"
    assert address(peer, "203.0.113.5, 10.0.0.2", ("unix", *TEN)) == "203.0.113.5"
    assert address(peer, "203.0.113.5", TEN) is None
    assert address(peer, "rubbish", ("unix",)) is None
    assert address("10.0.0.1", "203.0.113.5", ("unix",)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("remote", "headers", "secure"),
    [
        ("10.0.0.1", {"HTTP_X_FORWARDED_PROTO": "https"}, True),
        ("203.0.113.5", {"HTTP_X_FORWARDED_PROTO": "https"}, False),
        ("10.0.0.1", {"HTTP_FORWARDED": "for=1.1.1.1;proto=HTTPS"}, True),
        ("10.0.0.1", {"HTTP_FORWARDED": "proto=https, for=1.1.1.1;proto=http"}, False),
        ("203.0.113.5", {"HTTP_FORWARDED": "for=1.1.1.1;proto=https"}, False),
        (
            "10.0.0.1",
            {"HTTP_FORWARDED": "proto=https", "HTTP_X_FORWARDED_FOR": "1.1.1.1"},
            False,
        ),
    ],
)
def test_scheme_is_taken_from_a_trusted_proxy_only(remote, headers, secure):
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    take_scheme_of_proxy(request, proxies=TEN)
    assert request.is_secure() is secure


def test_unprintable_characters_of_headers_are_replaced():
    request = RequestFactory().get("/", HTTP_USER_AGENT="a\0b\x1bc\ud800" + "x" * 600)
    origin = origin_of(request, request_id="", proxies=())
    assert origin.user_agent.startswith("a?b?c?x")
    assert len(origin.user_agent) == 512


@pytest.mark.parametrize("given", ["short", "with space in it", "x" * 65, "a\nb" * 5, ""])
def test_request_id_that_could_forge_a_log_line_is_replaced(given):
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID=given)
    assert request_id_of(request, proxies=("127.0.0.0/8",)) != given


def test_good_request_id_of_a_trusted_proxy_is_kept():
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="trace-0123456789")
    assert request_id_of(request, proxies=("127.0.0.0/8",)) == "trace-0123456789"


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8",), ("unix",)])
def test_request_id_of_anyone_else_is_replaced(proxies):
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="trace-0123456789")
    found = {request_id_of(request, proxies=proxies) for _ in range(2)}
    assert len(found) == 2
    assert "trace-0123456789" not in found


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Büro-Gerät".encode(), "Büro-Gerät"),
        ("電話 📱".encode(), "電話 📱"),
        ("Büro".encode("latin-1"), "B\ufffdro"),
        (b"\xed\xa0\x80", "\ufffd" * 3),
        ("é".encode() * 300, "é" * 100),
    ],
)
def test_names_of_devices_are_read_as_utf_8(sent, kept):
    request = RequestFactory().get("/", HTTP_X_CLIENT=sent.decode("latin-1"))
    request.META["HTTP_USER_AGENT"] = sent.decode("latin-1")
    origin = origin_of(request, request_id="r", proxies=())
    assert origin.client == kept
    assert origin.user_agent.startswith(kept)
