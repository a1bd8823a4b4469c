"""HTTP POST to one receiver, over one connection for as long as that lives."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

TIMEOUT = 10.0


class Undelivered(Exception):
    """The receiver has not taken it. ``retry_after`` are the seconds that it asked for."""

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Receiver:
    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("WEBHOOK_URL must be an http or https address")
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Anything but a 2xx raises `Undelivered`; redirects are not followed: nobody but the
        configured address gets the trail."""
        try:
            self._connection.request("POST", self._target, body, dict(headers))
            response = self._connection.getresponse()
            response.read(65_536)
            if not response.isclosed():
                self._connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Undelivered(f"{type(error).__name__}: {error}") from error
        if not 200 <= response.status < 300:
            asked = response.headers.get("Retry-After", "")
            after = float(asked) if asked.isdecimal() and len(asked) < 6 else 0.0
            raise Undelivered(f"the receiver answered {response.status}", retry_after=after)

    def close(self) -> None:
        self._connection.close()
