"""Declare the calls of the benchmark, and prepare the tokens for them."""

import hashlib
import hmac
import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jwt.utils import base64url_decode, base64url_encode

from bench.fill.management.commands.fill import PASSWORD
from bench.peers import SECRETS, Peer, server_url

# The number of sessions for a case that does not use them up.
SPREAD = 400


@dataclass(frozen=True)
class Case:
    """Describe one call.

    ``one_each`` marks a call that uses its token up. ``stock`` is False if the stock peer has no
    such call.
    """

    name: str
    what: str
    stock: bool = True
    one_each: bool = False


CASES = {
    case.name: case
    for case in (
        Case("login", "POST api/login, right password"),
        Case("restricted", "GET api/restricted, bearer"),
        Case("refresh", "POST api/refresh, with rotation"),
        Case("verify", "POST api/verify, an access token"),
        Case("introspect", "POST api/introspect, an access token", stock=False),
        Case("logout", "POST api/logout, a live session each", one_each=True),
    )
}


def signed(unsigned: str) -> str:
    """Sign ``header.payload``, so that it is a token as a client holds it."""
    key = SECRETS["JWT_SIGNING_KEY"].encode()
    return f"{unsigned}.{_b64(hmac.new(key, unsigned.encode(), hashlib.sha256).digest())}"


def access(unsigned: str) -> str:
    """Return an access token for a refresh token, valid for longer than the run."""
    header, payload = unsigned.split(".")
    claims = json.loads(base64url_decode(payload))
    now = int(time.time())
    claims |= {"token_type": "access", "iat": now, "exp": now + 6 * 3600}
    claims["jti"] = f"{random.getrandbits(128):032x}"
    return signed(f"{header}.{_b64(json.dumps(claims, separators=(',', ':')).encode())}")


def _b64(raw: bytes) -> str:
    return base64url_encode(raw).decode()


class Pools:
    """Hold the lines that wrk's threads read, for one peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._standing = self._ask(str(SPREAD), "--operator")
        self._fresh: Iterator[tuple[str, str]] = iter(())

    def prepare(self, case: Case, count: int) -> None:
        """Create ``count`` sessions for a case that uses one up with each request.

        Call it just before the case, or the load of another case could use the sessions.
        """
        if case.one_each:
            self._fresh = iter(self._ask(str(count), "--fresh"))

    def some(self, count: int) -> list[tuple[str, str]]:
        """Return unsigned refresh tokens and their users; the first is the operator's."""
        return self._standing[:count]

    def _ask(self, *args: str) -> list[tuple[str, str]]:
        lines = self.peer.manage("pool", *args, "--rows-from", server_url()).splitlines()
        pairs = [line.split("\t") for line in lines if "\t" in line]
        return [(token, username) for token, username in pairs]

    def lines(self, case: Case, one_each: int) -> list[str]:
        if case.one_each:
            return [signed(token) for token, _ in itertools.islice(self._fresh, one_each)]
        if case.name == "refresh":
            return self.refresh()
        if case.name == "login":
            people = dict.fromkeys(username for _, username in self._standing)
            return [json.dumps({"username": name, "password": PASSWORD}) for name in people]
        return [access(token) for token, _ in self._standing]

    def refresh(self) -> list[str]:
        # The last round rotated these tokens, so fetch the current ones, the operator's first.
        self._standing = self._ask(str(SPREAD), "--operator")
        return [signed(token) for token, _ in self._standing]

    def write(self, case: Case, one_each: int) -> Path:
        path = Path(tempfile.gettempdir()) / f"{self.peer.database}.{case.name}.pool"
        path.write_text("\n".join(self.lines(case, one_each)) + "\n")
        return path
