"""Tokens made to be expensive: refused before they cost anything."""

import base64

import pytest

from tokens.verdict import explain

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
def test_it_is_refused_as_a_bearer_token(name: str, client, db) -> None:
    answer = client.get("/api/restricted", headers={"authorization": f"Bearer {HEAVY[name]}"})
    assert answer.status_code == 401
    assert explain(token=HEAVY[name]).failed == "signature"
