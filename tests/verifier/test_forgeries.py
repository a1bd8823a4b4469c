"""The verifier refuses every token that the portal refuses, for each algorithm.

The portal here is a server with a fixed key set and no revocations.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from token_portal_verifier import Invalid, Verifier

from tests.support.forgeries import ASYMMETRIC, forgeries, material, signed
from tests.support.system_calls import reaching
from tests.verifier.conftest import AUDIENCE, ISSUER
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import Key, make_key

pytestmark = pytest.mark.once


class Keys(ThreadingHTTPServer):
    """Serve one public key, and an empty feed."""

    def __init__(self, key: Key) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.documents = {
            "/.well-known/jwks.json": {"keys": [key.jwk]},
            "/api/revocations": {"cursor": "a", "as_of": 1.0, "revocations": []},
        }


class Answer(BaseHTTPRequestHandler):
    server: Keys

    def do_GET(self) -> None:
        body = json.dumps(self.server.documents[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture(params=ASYMMETRIC)
def key(request: pytest.FixtureRequest) -> Key:
    return make_key(material=material(request.param), algorithm=ALGORITHMS[request.param])


@pytest.fixture
def verifier(key: Key) -> Iterator[Verifier]:
    with Keys(key) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Verifier(
            issuer=ISSUER,
            audience=AUDIENCE,
            url=f"http://127.0.0.1:{server.server_address[1]}",
            credential=("billing", "secret"),
            background=False,
            poll_interval=600.0,
            max_staleness=600.0,
        )
        server.shutdown()


@pytest.fixture
def header(key: Key) -> dict[str, Any]:
    return {"alg": key.algorithm.name, "typ": "at+jwt", "kid": key.kid}


def claims() -> dict[str, Any]:
    return {
        "iss": ISSUER, "aud": AUDIENCE, "sid": "s", "sid_at": 1.5, "user_id": "7", "jti": "j",
        "token_type": "access", "iat": int(time.time()), "exp": int(time.time()) + 300,
    }  # fmt: skip


def reason(verifier: Verifier, token: str) -> str | None:
    """Return why a token is refused; any other exception is an error of the verifier."""
    try:
        verifier.verify(token)
    except Invalid as refused:
        return refused.reason
    return None


def test_forged_token_is_refused_without_reaching_for_anything(
    verifier: Verifier, key: Key, header: dict[str, Any]
) -> None:
    assert reason(verifier, signed(claims(), header, key)) is None
    tried = dict(forgeries(claims=claims(), header=header, key=key))
    assert len(tried) > 80
    with reaching() as seen:
        accepted = [name for name, token in tried.items() if reason(verifier, token) is None]
    assert accepted == []
    # The verifier may ask its portal again for a key that it does not know.
    assert [line for line in seen if f"'127.0.0.1', {verifier._portal._port}" not in line] == []


@pytest.mark.parametrize("key", ["ES256"], indirect=True)
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "malformed"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"exp": []}, "malformed"),
        ({"exp": "99999999999"}, "malformed"),
        ({"nbf": 99_999_999_999}, "early"),
        ({"iat": 99_999_999_999}, "early"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": None}, "malformed"),
        ({"aud": "search"}, "audience"),
        ({"aud": []}, "malformed"),
        ({"aud": None}, "malformed"),
        ({"aud": 5}, "audience"),
        ({"token_type": "refresh"}, "type"),
        ({"token_type": []}, "type"),
        ({"sid": None}, "malformed"),
        ({"sid": 5}, "session"),
        ({"sid": []}, "session"),
    ],
    ids=str,
)
def test_signed_token_with_wrong_claims_is_refused(
    verifier: Verifier, key: Key, header: dict[str, Any], change: dict[str, Any], wanted: str
) -> None:
    changed = {name: value for name, value in (claims() | change).items() if value is not None}
    assert reason(verifier, signed(changed, header, key)) == wanted


@pytest.mark.parametrize("key", ["ES256"], indirect=True)
def test_token_for_several_services_is_accepted(
    verifier: Verifier, key: Key, header: dict[str, Any]
) -> None:
    token = signed(claims() | {"aud": ["search", AUDIENCE]}, header, key)
    assert reason(verifier, token) is None
