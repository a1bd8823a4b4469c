"""Example bodies for the documentation."""

from collections.abc import Mapping

TOKEN = "eyJhbGciOiJIUzI1NiJ9.….…"  # noqa: S105  (not a token)
PAIR = {"refresh": TOKEN, "access": TOKEN}
CREDENTIALS = {"username": "alice", "password": "…"}
REVOKED = {"tokens": 1, "sessions": 1, "users": 1}
REASON = {"reason": "lost device"}
SID = "d3b0c366-6904-4165-83ef-a9024339380a"
JTI = "7ca1e2f0b1c94d1f8b6a54d0c0a9f028"
CLAIMS = {
    "token_type": "refresh",
    "exp": 1794213910,
    "iat": 1793609110,
    "jti": JTI,
    "user_id": "7",
    "sid": SID,
}
INTROSPECTED = {"active": True, "sub": "7", "username": "alice", **CLAIMS}


def page(row: Mapping[str, object]) -> dict[str, object]:
    return {"next": None, "previous": None, "partial": False, "results": [row]}
