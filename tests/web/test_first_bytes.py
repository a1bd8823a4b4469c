"""The server recognises a login by its first bytes, however the request is spelled."""

import pytest
from django.urls import URLResolver, get_resolver, reverse

from portal.first_bytes import MAX_BYTES, login_size
from portal.urls import LOGINS

PATHS = frozenset(reverse(name).encode() for name in LOGINS)
HOST = b"Host: portal.example.com\r\n"
BODY = b'{"username": "alice", "password": "wrong"}'


def request(target=b"/api/login", headers=b"", body=BODY, start=b"POST %s HTTP/1.1\r\n"):
    length = b"Content-Length: %d\r\n" % len(body)
    return start % target + HOST + (headers or length) + b"\r\n" + body


def names_of(resolver, namespace=""):
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from names_of(entry, inner)
        else:
            yield f"{namespace}{entry.name}"


def test_every_login_of_the_portal_has_the_threads_for_logins():
    logins = {name for name in names_of(get_resolver("portal.urls")) if name.endswith("login")}
    assert logins == set(LOGINS)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_post_to_a_login_is_recognised(path):
    assert login_size(request(path), PATHS) == len(request(path))


SPELLINGS = {
    "query": request(b"/api/login?next=/staff/"),
    "fragment": request(b"/api/login#top"),
    "percent": request(b"/%61pi/log%69n"),
    "absolute": request(b"http://portal.example.com/api/login"),
    "absolute with a port": request(b"HTTPS://portal.example.com:8443/api/login"),
    "http 1.0": request(start=b"POST %s HTTP/1.0\r\n"),
    "without a body": request(body=b"", headers=b"Accept: */*\r\n"),
    "lower case": request(headers=b"content-length:%d\r\n" % len(BODY)),
    "spaces": request(headers=b"Content-Length: \t %d \t\r\n" % len(BODY)),
    "zeros": request(headers=b"Content-Length: 0000%d\r\n" % len(BODY)),
    "expectation with its body": request(
        headers=b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(BODY)
    ),
}
OTHERS = {
    "nothing": b"",
    "page": request(b"/api/login", start=b"GET %s HTTP/1.1\r\n"),
    "refresh": request(b"/api/refresh"),
    "longer path": request(b"/api/login/"),
    "two slashes": request(b"//api/login"),
    "two slashes inside": request(b"/api//login"),
    "prefix": request(b"/tokens/api/login"),
    "login in a query": request(b"/api/refresh?/api/login"),
    "no version": request(start=b"POST %s\r\n"),
    "half a line": b"POST /api/login HT",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two words for a length": request(headers=b"Content-Length: 5 5\r\n"),
    "negative length": request(headers=b"Content-Length: -5\r\n"),
    "long length": request(headers=b"Content-Length: 1" + b"0" * 5000 + b"\r\n"),
    "too large": request(headers=b"Content-Length: %d\r\n" % MAX_BYTES),
    "waits to be asked": request(
        headers=b"Expect: 100-continue\r\nContent-Length: 20\r\n", body=b""
    ),
    "chunks": request(headers=b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_login_is_recognised_and_whole(spelling):
    assert login_size(SPELLINGS[spelling], PATHS) == len(SPELLINGS[spelling])


@pytest.mark.parametrize("other", OTHERS)
def test_other_request_is_no_login_to_wait_for(other):
    assert login_size(OTHERS[other], PATHS) is None


@pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - {"without a body"}))
def test_login_is_not_whole_before_its_last_byte(spelling):
    whole = SPELLINGS[spelling]
    line = whole.index(b"\r\n") + 2
    for end in range(line, len(whole)):
        size = login_size(whole[:end], PATHS)
        if b"Expect:" in whole[:end]:
            # Its client may send no more before it is asked to.
            assert size is None
        else:
            assert size is not None
            assert size > end, whole[:end]
