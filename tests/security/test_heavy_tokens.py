"""Tokens made to be expensive: refused before they cost anything."""

import base64

import pytest

from tokens.validation.validator import validate

HEAD = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


UNENCODED = b'{"alg":"HS256","b64":false,"crit":["b64"]}'
COMPRESSED = b'{"alg":"HS256","zip":"DEF"}'
HEAVY = {
    "deep payload": f"{HEAD}.{part(b'[' * 200_000)}.AA",
    "deep within the limit": f"{HEAD}.{part(b'[' * 11_000)}.AA",
    "deep header": f"{part(b'[' * 11_000)}.{part(b'{}')}.AA",
    "one MiB": f"{HEAD}.{'A' * (1 << 20)}.AA",
    "unencoded payload": f"{part(UNENCODED)}.{part(b'{}')}.AA",
    "compressed": f"{part(COMPRESSED)}.{part(b'{}')}.AA",
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_bearer_token_is_refused(name: str, client, db) -> None:
    answer = client.get("/api/restricted", headers={"authorization": f"Bearer {HEAVY[name]}"})
    assert answer.status_code == 401
    assert validate(token=HEAVY[name]).failed == "signature"


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("call", ["refresh", "verify", "logout", "revoke"])
def test_heavy_token_in_a_body_is_refused(name: str, call: str, client, db) -> None:
    field = "refresh" if call in {"refresh", "logout"} else "token"
    body = {field: HEAVY[name]}
    answer = client.post(f"/api/{call}", body, content_type="application/json")
    # Over 64 KiB it is not even read.
    small = 200 if call in {"logout", "revoke"} else 401
    assert answer.status_code == (413 if len(HEAVY[name]) > 65_000 else small)


def test_deeply_nested_body_does_not_crash_the_portal(client, db) -> None:
    for call in ("login", "refresh", "verify", "logout", "revoke"):
        for body in (b"[" * 60_000, b'{"token":' * 7_000, b"[" * 200_000):
            answer = client.post(f"/api/{call}", body, content_type="application/json")
            assert answer.status_code == (413 if len(body) > 65_536 else 400), call
