"""POST a body to the one receiver of the webhook."""

from collections.abc import Mapping

from urllib3 import Timeout, connection_from_url
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, parse_url

DEFAULT_TIMEOUT = 10.0
# The content of the response is not used. A longer response is not read to its end.
MAX_RESPONSE_BYTES = 65_536
LONGEST_RETRY_AFTER = 24 * 60 * 60


class Undelivered(Exception):
    """The receiver has not accepted the body.

    ``retry_after`` is the pause that the receiver asked for, in seconds, or 0.
    """

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Receiver:
    """An HTTP client for one URL, which keeps its connection open between requests.

    urllib3 ignores the proxies of the environment, so the trail goes to this host and no other.
    """

    def __init__(self, url: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Parse ``url``; connect at the first request.

        ``timeout`` is in seconds, for connecting and for each read. Raises `ValueError` if
        ``url`` is not an http or https URL.
        """
        parts = parse_url(url)
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise ValueError("WEBHOOK_URL must be an http or https address")
        self._target = parts.request_uri
        self._pool = connection_from_url(
            url, maxsize=1, retries=False, timeout=Timeout(connect=timeout, read=timeout)
        )

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send ``body`` once.

        Raises `Undelivered` for every answer but a 2xx, and if the connection fails. Redirects
        are not followed: only the configured address may receive the trail.
        """
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=body,
                headers={"User-Agent": "token-portal", **headers},
                redirect=False,
                preload_content=False,
            )
            response.read(MAX_RESPONSE_BYTES, decode_content=False)
            if response.connection is not None:
                response.close()
        except HTTPError as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error
        if not 200 <= response.status < 300:
            raise Undelivered(
                f"the receiver answered {response.status}", retry_after=_retry_after(response)
            )

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


def _retry_after(response: BaseHTTPResponse) -> float:
    """Return the seconds of the Retry-After header, which has a number or a date."""
    try:
        return Retry(retry_after_max=LONGEST_RETRY_AFTER).get_retry_after(response) or 0.0
    except HTTPError:
        return 0.0
