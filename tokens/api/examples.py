"""What the calls are shown with."""

from typing import Any

TOKEN = "eyJhbGciOiJIUzI1NiJ9.….…"  # noqa: S105  (a picture of one)
PAIR = {"refresh": TOKEN, "access": TOKEN}
CREDENTIALS = {"username": "alice", "password": "…"}
ALLOWED = {"response": "YOU ARE ALLOWED HERE"}
ENDED = {"tokens": 1, "sessions": 1, "users": 1}
REASON = {"reason": "lost device"}
SID = "d3b0c366-6904-4165-83ef-a9024339380a"
JTI = "7ca1e2f0b1c94d1f8b6a54d0c0a9f028"
DEVICE = {"ip": "192.0.2.7", "user_agent": "Mozilla/5.0 …", "client": ""}
TIMES = {
    "created_at": "2026-11-02T08:15:00Z",
    "last_used_at": "2026-11-02T09:05:10Z",
    "expires_at": "2026-12-02T08:15:00Z",
}
CLAIMS = {
    "token_type": "refresh",
    "exp": 1794213910,
    "iat": 1793609110,
    "jti": JTI,
    "user_id": "7",
    "sid": SID,
}
INTROSPECTED = {"active": True, "sub": "7", "username": "alice", **CLAIMS}
OWN_SESSION = {"id": SID, "current": True, **DEVICE, **TIMES}
SESSION = {
    "id": SID,
    "status": "active",
    "user_id": 7,
    "username": "alice",
    **DEVICE,
    "rotations": 12,
    **TIMES,
    "revoked_at": None,
    "revoked_by": "",
    "revoke_reason": "",
}
OUTSTANDING = {
    "jti": JTI,
    "status": "active",
    "user_id": 7,
    "username": "alice",
    "session": SID,
    "issued_at": "2026-11-02T09:05:10Z",
    "expires_at": "2026-11-09T09:05:10Z",
}
EVENT = {
    "id": 4711,
    "at": "2026-11-02T09:30:00Z",
    "kind": "revoke_session",
    "actor_id": 2,
    "actor": "sam",
    "subject_id": 7,
    "subject": "alice",
    "session": SID,
    "jti": "",
    **DEVICE,
    "request_id": "1f0c2a52d1b94a0d9c3a0d5b2f1c7e11",
    "reason": "lost device",
    "count": 1,
    "data": {},
}


def page(row: dict[str, Any]) -> dict[str, Any]:
    return {"next": None, "previous": None, "partial": False, "results": [row]}


ACCOUNT = {
    "id": 7,
    "username": "alice",
    "email": "alice@example.com",
    "is_active": True,
    "is_staff": False,
    "last_login": None,
    "date_joined": "2026-01-05T10:00:00Z",
    "sessions": page(SESSION),
}
