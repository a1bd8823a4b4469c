"""A portal that gives the answers of a test: at first a fixed key set, and an empty feed."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from token_portal_verifier import Invalid, Verifier

from tests.verifier.conftest import AUDIENCE, ISSUER
from tokens.jwt.keys import Key

KEYS, FEED = "/.well-known/jwks.json", "/api/revocations"


class FixedPortal(ThreadingHTTPServer):
    """Serve `answers`: for each path the status and the body, bytes or what JSON can say.

    ``asked`` holds the paths that were asked for. ``hanging`` keeps every answer back.
    """

    daemon_threads = True

    def __init__(self, key: Key) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers: dict[str, tuple[int, Any]] = {
            KEYS: (200, {"keys": [key.jwk]}),
            FEED: (200, page()),
        }
        self.asked: list[str] = []
        self.released = threading.Event()
        self.released.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self.shutdown()
        super().__exit__(*error)

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(
            issuer=ISSUER,
            audience=AUDIENCE,
            url=f"http://127.0.0.1:{self.server_address[1]}",
            credential=("billing", "secret"),
            **options,
        )


class Answer(BaseHTTPRequestHandler):
    server: FixedPortal

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        self.server.released.wait(60)
        status, body = self.server.answers[path]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


def page(**changes: Any) -> dict[str, Any]:
    """Return a page of the feed."""
    return {"cursor": "a", "as_of": 1.0, "revocations": [], **changes}


def claims() -> dict[str, Any]:
    """Return the claims of a good token."""
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
