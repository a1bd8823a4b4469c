"""Check what must hold in every project that adds the app and removes it again."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.adoption.host import Host
from tokens.jwt.claims import Claims, parse


def claims_of(token: str) -> Claims:
    """Return the claims of a token without validating it."""
    return parse(token).payload


@contextmanager
def adopted(host: Host) -> Iterator[requests.Session]:
    """Serve the project with the app, and yield a browser of staff.

    No user is logged out, tokens from before are listed, inspected and revoked like new ones, and
    the project's own pages stay as they are. After the test, the project leaves the app.
    """
    with host.serving():
        before = host.snapshot()
        used, unused = host.login(), host.login()
        assert host.me(used["access"]) == 200

    host.adopt()
    with host.serving():
        assert host.snapshot() == before
        staff = host.staff()
        tokens = [pair[kind] for pair in (used, unused) for kind in ("access", "refresh")]
        assert [host.inspected(staff, token) for token in tokens] == ["Accepted"] * 4
        assert host.me(used["access"]) == host.me(unused["access"]) == 200
        renewed = refreshed(host, staff, used)
        revoked_session(host, staff)
        yield staff

        host.revoke(staff, f"user={host.key}")
        for access in (used["access"], unused["access"], renewed["access"]):
            assert host.me(access) == 401
        for refresh in (used["refresh"], unused["refresh"], renewed.get("refresh", "")):
            assert not refresh or host.renew(refresh).status_code == 401
        assert [host.inspected(staff, token) for token in tokens] == ["Refused"] * 4
        kept = host.login()
        assert host.me(kept["access"]) == 200

    host.leave()
    with host.serving():
        assert host.snapshot() == before
        assert host.me(kept["access"]) == 200
        assert host.me(host.login()["access"]) == 200
        if not host.refresh_path.startswith("/tokens/"):
            assert host.me(host.refresh(kept["refresh"])["access"]) == 200
        if "token_blacklist" in host.settings:
            assert host.renew(unused["refresh"]).status_code == 401


def refreshed(host: Host, staff: requests.Session, old: dict[str, str]) -> dict[str, str]:
    """Refresh a pair from before: its session and its token are then in the lists."""
    renewed = host.refresh(old["refresh"])
    assert host.me(renewed["access"]) == 200
    assert host.inspected(staff, renewed["access"]) == "Accepted"
    sid, jti = claims_of(renewed["access"])["sid"], claims_of(old["refresh"])["jti"]
    assert f"/tokens/staff/sessions/{sid}/" in host.listed(staff, "sessions")
    assert f"/tokens/staff/tokens/{jti}/" in host.listed(staff, "tokens")
    return renewed


def revoked_session(host: Host, staff: requests.Session) -> None:
    """Log in and revoke the session: its tokens are refused by the next call."""
    new = host.login()
    assert host.me(new["access"]) == 200
    host.revoke(staff, f"session={claims_of(new['access'])['sid']}")
    assert host.me(new["access"]) == 401
    assert host.renew(new["refresh"]).status_code == 401
