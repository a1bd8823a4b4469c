"""Bytes that no client library sends, over real HTTP, are refused and cause no server error."""

import socket

LOGIN = b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


def get(target: bytes, headers: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers


def post(body: bytes, headers: bytes = JSON) -> bytes:
    return LOGIN + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


EVERY_BYTE = bytes(byte for byte in range(256) if byte not in b"\r\n\0")
ODD = {
    "no utf-8 in the path": get(b"/staff/users/\xff\xfe/") + b"\r\n",
    "no utf-8 behind percent": get(b"/staff/tokens/%ff%fe%00/?q=%ff%00&cursor=%ff") + b"\r\n",
    "surrogates behind percent": get(b"/staff/events/?q=%ed%a0%80") + b"\r\n",
    "broken percent": get(b"/account/login/?next=%&%zz=%%%") + b"\r\n",
    "address of another host": get(b"http://elsewhere.example/staff/") + b"\r\n",
    "two slashes": get(b"//evil.example/..%2f..%2fstaff/") + b"\r\n",
    "every byte in headers": get(
        b"/api/restricted",
        b"User-Agent: " + EVERY_BYTE + b"\r\nX-Client: \xff\xed\xa0\x80\r\n",
    )
    + b"\r\n",
    "odd credentials": get(
        b"/api/restricted", b"Authorization: Bearer \xff\xfe.\xe9.\xed\xa0\x80\r\n"
    )
    + b"\r\n",
    "odd cookies": get(
        b"/staff/", b'Cookie: sessionid=\xff\xfe\x80; csrftoken=\xed\xa0\x80; =; ;;a="\\377"\r\n'
    )
    + b"\r\n",
    "odd languages": get(b"/account/login/", b"Accept-Language: \xff;q=nan,de;q=1e999,*;q=-1\r\n")
    + b"\r\n",
    "odd proxies": get(
        b"/api/restricted",
        b'X-Forwarded-For: \xff, [::1, 1.2.3.4:99999999\r\nForwarded: for="\xff\\";;=\r\n'
        b"X-Forwarded-Proto: \xff\r\nX-Request-ID: \xff\xff\xff\xff\xff\xff\xff\xff\r\n",
    )
    + b"\r\n",
    "odd host": b"GET /staff/ HTTP/1.1\r\nHost: \xff\xfe:\xe9\r\nConnection: close\r\n\r\n",
    "no utf-8 in json": post(b'{"username": "\xff\xfe", "password": "\xed\xa0\x80"}'),
    "surrogates and nul in json": post(b'{"username": "\\ud800\\u0000", "password": "\\udfff"}'),
    "odd charset": post(b"\xff" * 9, b"Content-Type: application/json; charset=\xff\xfe\r\n"),
    "odd codec": post(
        b"a=b", b"Content-Type: application/x-www-form-urlencoded; charset=rot13\r\n"
    ),
    "odd boundary": post(
        b"--\xff\r\n\r\n", b"Content-Type: multipart/form-data; boundary=\xff\r\n"
    ),
    "no utf-8 in a form": post(
        b"username=\xff%ff%00&password=%ed%a0%80",
        b"Content-Type: application/x-www-form-urlencoded\r\n",
    ),
    "odd length": LOGIN + JSON + b"Content-Length: \xb2\r\n\r\n{}",
    "negative length": LOGIN + JSON + b"Content-Length: -1\r\n\r\n{}",
    "odd method": b"G\xcbT /staff/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
}


def status(port: int, request: bytes) -> int | None:
    """Send raw bytes. Returns the status, or None if the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        started = client.makefile("rb").readline()
    return int(started.split()[1]) if started else None


def test_odd_bytes_are_refused_and_never_an_error(portal_server) -> None:
    port = int(portal_server.url.rpartition(":")[2])
    found = {name: status(port, request) for name, request in ODD.items()}
    assert {name: code for name, code in found.items() if code is not None and code >= 500} == {}
    assert {name: code for name, code in found.items() if code is None or code < 300} == {
        "odd languages": 200,
        "broken percent": 200,
    }
