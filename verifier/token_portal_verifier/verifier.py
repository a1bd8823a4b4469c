"""Verify access tokens, and follow the portal's keys and revocations."""

import logging
import math
import os
import threading
import time
from typing import Any, Literal
from urllib.parse import quote

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    PyJWTError,
)

from token_portal_verifier.keys import Key, read_keys
from token_portal_verifier.portal import Portal, PortalAway
from token_portal_verifier.revocations import Revocations
from token_portal_verifier.tokens import Claims, Invalid, Stale

logger = logging.getLogger("token_portal_verifier")
MOST_CHARACTERS = 16 * 1024
# The header of the portal's tokens. Any other parameter could only name a key, or change how the
# token is read (RFC 8725, section 3).
HEADER = frozenset({"alg", "typ", "kid"})
TYPES = ("at+jwt", "application/at+jwt")
REQUIRED = ["exp", "iss", "aud", "sid"]
REASONS: tuple[tuple[type[PyJWTError], str], ...] = (
    (ExpiredSignatureError, "expired"),
    (ImmatureSignatureError, "early"),
    (InvalidAudienceError, "audience"),
    (InvalidIssuerError, "issuer"),
    (InvalidSignatureError, "signature"),
)
# A token may name a key that was added since the keys were read. Any client can write such a token.
# No call waits for them longer than `KEYS_WAIT` while the portal is slow.
KEYS_AGAIN_SECONDS, KEYS_SECONDS, KEYS_WAIT = 5.0, 300.0, 1.0
# What has expired is forgotten by reading the feed from the start again.
RELOAD_SECONDS = 3600.0
LONGEST_PAUSE = 5.0
# The first second of the year 10000, which `Claims.expires_at` can't say.
LAST_INSTANT = 253_402_300_800
FIRST_WAIT = 10.0


class Verifier:
    """Verify the access tokens that one portal issues for one audience.

    One instance serves all threads of a process. A forked process polls for itself.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        url: str,
        credential: tuple[str, str],
        on_stale: Literal["refuse", "accept"] = "refuse",
        poll_interval: float = 1.0,
        max_staleness: float = 30.0,
        background: bool = True,
        leeway: float = 5.0,
    ) -> None:
        if on_stale not in ("refuse", "accept"):
            raise ValueError('on_stale is "refuse" or "accept"')
        if not issuer or not audience:
            raise ValueError("issuer and audience must not be empty")
        self.issuer, self.audience = issuer, audience
        self.on_stale, self.leeway = on_stale, leeway
        self.poll_interval, self.max_staleness = poll_interval, max_staleness
        self.background = background
        self._url, self._credential = url, credential
        self._start()

    def _start(self) -> None:
        """Begin with nothing known; in a forked process too, which has no thread and no lock."""
        self._process = os.getpid()
        self._portal = Portal(self._url, self._credential)
        self._keys: dict[str, Key] = {}
        # What the portal calls the key set that was read.
        self._key_set = ""
        self._keys_asked, self._keys_read, self._keys_age = -math.inf, -math.inf, KEYS_SECONDS
        self._revocations = Revocations()
        # What is being read from the start; it replaces the other one when it is complete.
        self._loading: Revocations | None = Revocations()
        self._loaded = -math.inf
        self._cursor, self._etag = "", ""
        self._confirmed, self._polled = -math.inf, -math.inf
        self._failures = 0
        self._polling, self._starting = threading.Lock(), threading.Lock()
        self._first, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def staleness(self) -> float:
        """Return the age in seconds of what is known; infinite before the first poll."""
        return time.monotonic() - self._confirmed

    def verify(self, token: str) -> Claims:
        """Return the claims of a token. Raises `Invalid` with the reason, or `Stale`."""
        self._follow()
        claims = self._read(token)
        if self._revocations.end(claims):
            raise Invalid("revoked")
        if self.on_stale == "refuse" and self.staleness > self.max_staleness:
            raise Stale
        return claims

    def poll(self) -> None:
        """Ask the portal what is new, until nothing is. Raises `PortalAway`."""
        with self._polling:
            self._polled = time.monotonic()
            if self._polled - self._keys_read > self._keys_age:
                self._read_keys()
            if self._polled - self._loaded > RELOAD_SECONDS and self._loading is None:
                self._restart()
            while not self._poll_once():
                pass
            self._first.set()

    def close(self) -> None:
        """Stop polling."""
        self._closed.set()
        with self._polling:
            self._portal.close()

    # --- The token.

    def _read(self, token: str) -> Claims:
        if len(token) > MOST_CHARACTERS:
            raise Invalid("malformed")
        try:
            header = jwt.get_unverified_header(token)
            key = self._key_for(header)
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                leeway=self.leeway,
                options={"require": REQUIRED},
            )
        except PyJWTError as error:
            found = (reason for kind, reason in REASONS if isinstance(error, kind))
            raise Invalid(next(found, "malformed")) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Invalid("malformed") from error
        # Without JWT_AUDIENCE, the portal's refresh tokens have an audience too.
        if claims.get("token_type", "access") != "access":
            raise Invalid("type")
        if not isinstance(claims["sid"], str):
            raise Invalid("session")
        if not isinstance(claims["exp"], int | float) or claims["exp"] >= LAST_INSTANT:
            raise Invalid("malformed")
        return Claims(claims)

    def _key_for(self, header: dict[str, Any]) -> Key:
        """Return the key that a header names, which also says the algorithm."""
        if not header.keys() <= HEADER:
            raise Invalid("malformed")
        if str(header.get("typ", "")).lower() not in TYPES:
            raise Invalid("type")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise Invalid("key")
        if kid not in self._keys:
            self._read_keys_again()
        key = self._keys.get(kid)
        if key is None:
            raise Invalid("key")
        if header.get("alg") != key.algorithm:
            raise Invalid("signature")
        return key

    # --- The portal.

    def _follow(self) -> None:
        """Poll, or start the thread that does, and wait for the first answer."""
        if self._process != os.getpid():
            self._start()
        if not self.background:
            if time.monotonic() - self._polled >= self._pause() and not self._polling.locked():
                self._try_poll()
            return
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if not self._closed.is_set() and (
                    self._thread is None or not self._thread.is_alive()
                ):
                    name = "token-portal-verifier"
                    self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                    self._thread.start()
        if not self._first.is_set() and not self._failures:
            self._first.wait(FIRST_WAIT)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._try_poll()
            self._closed.wait(self._pause())

    def _try_poll(self) -> None:
        try:
            self.poll()
        except PortalAway as error:
            self._failures += 1
            self._first.set()
            if self._failures == 1:
                logger.warning("the revocation feed can't be read: %s", error)
        else:
            if self._failures:
                logger.warning("the revocation feed is read again")
            self._failures = 0

    def _pause(self) -> float:
        if not self._failures:
            return self.poll_interval
        backoff = min(self.poll_interval * (1 << min(self._failures, 5)), LONGEST_PAUSE)
        return max(self.poll_interval, backoff)

    def _read_keys_again(self) -> None:
        """Read the keys for a token that names another one, unless that was just tried."""
        if not self._may_read_keys() or not self._polling.acquire(timeout=KEYS_WAIT):
            return
        try:
            if self._may_read_keys():
                self._read_keys()
        except PortalAway as error:
            logger.warning("the portal's keys can't be read: %s", error)
        finally:
            self._polling.release()

    def _may_read_keys(self) -> bool:
        return time.monotonic() - self._keys_asked > KEYS_AGAIN_SECONDS

    def _read_keys(self) -> None:
        self._keys_asked = time.monotonic()
        answer = self._portal.get("/.well-known/jwks.json")
        if answer.status != 200:
            raise PortalAway(f"{answer.status} for the keys")
        try:
            self._keys = read_keys(answer.body)
        except ValueError as error:
            raise PortalAway(str(error)) from error
        self._keys_read, self._key_set = self._keys_asked, answer.key_set
        self._keys_age = min(answer.max_age or KEYS_SECONDS, KEYS_SECONDS)

    def _restart(self) -> None:
        self._cursor, self._etag, self._loading = "", "", Revocations()

    def _poll_once(self) -> bool:
        """Read one page. Returns True if the poll is over: the portal had nothing more to say.

        It is also over if the portal does not know the cursor; the next one starts without.
        """
        asked = time.monotonic()
        path = "/api/revocations"
        if self._cursor:
            path += f"?after={quote(self._cursor)}"
        answer = self._portal.get(path, etag=self._etag, authenticated=True)
        if answer.status == 410 and self._cursor:
            self._restart()
            return True
        if answer.status == 304:
            entries: list[dict[str, Any]] = []
        elif answer.status == 200:
            entries = self._take(answer.body)
            self._etag = answer.etag
        else:
            raise PortalAway(f"{answer.status} for the feed")
        if answer.key_set != self._key_set:
            self._read_keys()
        if entries:
            return False
        if self._loading is not None:
            self._revocations, self._loading, self._loaded = self._loading, None, asked
        self._confirmed = asked
        return True

    def _take(self, body: Any) -> list[dict[str, Any]]:
        try:
            entries, cursor = body["revocations"], body["cursor"]
            if not isinstance(entries, list) or not isinstance(cursor, str):
                raise TypeError("this is no page of the feed")
            if not cursor.isascii() or (entries and cursor == self._cursor):
                raise ValueError("the feed does not go on")
            for known in (self._revocations, self._loading):
                if known is not None:
                    known.add(entries)
        except (ValueError, TypeError, KeyError) as error:
            raise PortalAway("the feed can't be read") from error
        self._cursor = cursor
        return entries
