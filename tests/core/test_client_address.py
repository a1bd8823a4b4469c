"""X-Forwarded-For is believed from our own proxies, hop by hop, and from nobody else."""

import pytest
from django.test import RequestFactory

from tokens.http import client_address, origin_of, request_id_of


def address(settings, remote, forwarded=None, proxies=()):
    settings.TRUSTED_PROXIES = list(proxies)
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))


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
def test_the_nearest_address_that_is_no_proxy_of_ours(
    settings, remote, forwarded, proxies, expected
):
    assert address(settings, remote, forwarded, proxies) == expected


def test_headers_that_no_database_could_hold_come_in_printable():
    request = RequestFactory().get("/", HTTP_USER_AGENT="a\0b\x1bc\ud800" + "x" * 600)
    origin = origin_of(request, request_id="")
    assert origin.user_agent.startswith("a?b?c?x")
    assert len(origin.user_agent) == 512


@pytest.mark.parametrize("given", ["short", "with space in it", "x" * 65, "a\nb" * 5, ""])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(given):
    assert request_id_of(RequestFactory().get("/", HTTP_X_REQUEST_ID=given)) != given


def test_a_good_request_id_is_kept():
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="trace-0123456789")
    assert request_id_of(request) == "trace-0123456789"
