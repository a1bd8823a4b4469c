"""A URL or file in a token's header is ignored: no file is read, and no host is contacted."""

import os
import socket
from pathlib import Path

import jwt
import pytest
from django.conf import settings

from tests.support.system_calls import reaching
from tests.support.tokens import pair_of
from tests.support.users import make_staff

KEY = settings.JWT_SIGNING_KEY


@pytest.fixture
def listener():
    """Somewhere that a curious server could connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def pointers(listener, tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY)
    up = os.path.relpath(file)
    return [
        *(
            {"kid": kid}
            for kid in (str(file), up, f"file://{file}", f"{listener}/key", "/dev/zero")
        ),
        *({name: f"{listener}/{name}"} for name in ("jku", "x5u")),
        *({name: f"file://{file}"} for name in ("jku", "x5u")),
        {"jku": f"{listener}/jwks", "kid": "1"},
        {"x5c": [f"{listener}/x5c"]},
        {"jwk": {"kty": "oct", "k": "AAAA", "x5u": f"{listener}/x5u"}},
    ]


def present(api, token, service):
    """To every call that takes a token."""
    answers = [
        api.get("/api/restricted", headers={"authorization": f"Bearer {token}"}),
        api.post("/api/refresh", {"refresh": token}, format="json"),
        api.post("/api/logout", {"refresh": token}, format="json"),
        api.post("/api/verify", {"token": token}, format="json"),
        api.post("/api/revoke", {"token": token}, format="json"),
        api.post("/api/introspect", {"token": token}, format="json", headers=service),
    ]
    return [answer.status_code for answer in answers]


def test_no_call_reaches_for_what_a_header_names(api, alice, pointers):
    access = pair_of(make_staff("service", "introspect_token")).access
    service = {"authorization": f"Bearer {access}"}
    pair = pair_of(alice)
    refused = [401, 401, 200, 401, 200, 200]
    # Once before: what the first request of a process imports and opens is not the token's doing.
    assert present(api, "a.b.c", service) == refused
    for token in (pair.access, pair.refresh):
        claims = jwt.decode(token, options={"verify_signature": False})
        for header in pointers:
            forged = jwt.encode(claims, KEY, algorithm="HS256", headers=header)
            with reaching() as seen:
                # A key that this portal does not have may be one of another host.
                unknown = [401, 401, 503, 401, 503, 200]
                expected = unknown if list(header) == ["kid"] else refused
                assert present(api, forged, service) == expected, header
            assert seen == [], header


def test_recorder_sees_files_and_hosts_that_are_opened(listener, tmp_path):
    host, port = listener.removeprefix("http://").split(":")
    with reaching() as seen:
        Path(tmp_path / "x").write_text("x")
        socket.create_connection((host, int(port))).close()
    assert {line.split()[0] for line in seen} >= {"open", "socket.connect", "socket.getaddrinfo"}
