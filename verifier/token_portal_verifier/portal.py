"""Call the portal over one connection that is kept."""

import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlsplit

TIMEOUT_SECONDS = 5.0
# A page of the feed has 10,000 entries of about 50 bytes.
MOST_BYTES = 16 * 2**20


class PortalAway(Exception):
    """Raised if the portal can't be reached, or its answer can't be read."""


class Answer(NamedTuple):
    """Hold the status of an answer, the headers that matter, and its JSON."""

    status: int
    etag: str
    max_age: float | None
    key_set: str
    body: Any


class Portal:
    """Read from a portal, in one thread at a time.

    A redirect is not followed: the secret stays with this host.
    """

    def __init__(self, url: str, credential: tuple[str, str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of a portal")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = parts.path.rstrip("/")
        pair = ":".join(map(quote_plus, credential)).encode()
        self._basic = f"Basic {base64.b64encode(pair).decode()}"
        self._connection: HTTPConnection | None = None

    def get(self, path: str, *, etag: str = "", authenticated: bool = False) -> Answer:
        """Return the answer to a GET. Raises `PortalAway`."""
        # A cache on the way may have an earlier key set.
        headers = {"Accept": "application/json", "Cache-Control": "no-cache"}
        headers["User-Agent"] = "token-portal-verifier"
        if authenticated:
            headers["Authorization"] = self._basic
        if etag:
            headers["If-None-Match"] = etag
        kept = self._connection is not None
        try:
            try:
                return self._ask(path, headers)
            except (OSError, HTTPException):
                if not kept:
                    raise
                # The server may just have closed the connection that was kept.
                self.close()
                return self._ask(path, headers)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            self.close()
            raise PortalAway(f"{type(error).__name__} at {path.partition('?')[0]}") from error

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, path: str, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            make = HTTPSConnection if self._secure else HTTPConnection
            self._connection = make(self._host, self._port, timeout=TIMEOUT_SECONDS)
        self._connection.request("GET", self._path + path, headers=headers)
        response = self._connection.getresponse()
        content = response.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError("the answer is too long")
        body = json.loads(content, parse_constant=_refuse) if response.status == 200 else None
        cache = response.headers.get("Cache-Control", "")
        _name, _equals, age = cache.partition("max-age=")
        age = age.partition(",")[0].strip()
        return Answer(
            response.status,
            response.headers.get("ETag", ""),
            float(age) if age.isdecimal() else None,
            response.headers.get("X-Key-Set", ""),
            body,
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
