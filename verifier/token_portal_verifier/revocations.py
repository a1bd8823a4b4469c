"""The revocations that the portal has told."""

from collections.abc import Iterable
from typing import Any

from token_portal_verifier.tokens import Claims


class Revocations:
    """Hold the sessions that ended, and the instants before which others did."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.users: dict[str, float] = {}
        self.everybody = 0.0

    def add(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add entries of the feed. Raises ValueError or TypeError for what is none."""
        for entry in entries:
            match entry:
                case {"sid": str(sid)}:
                    self.sessions.add(sid)
                case {"user_id": str(user), "before": float() | int() as before}:
                    self.users[user] = max(before, self.users.get(user, 0.0))
                case {"before": float() | int() as before}:
                    self.everybody = max(before, self.everybody)
                case _:
                    raise ValueError("the feed has an entry of another kind")

    def end(self, claims: Claims) -> bool:
        """Tell whether the token with these claims was revoked."""
        if claims["sid"] in self.sessions:
            return True
        before = max(self.everybody, self.users.get(claims.user_id, 0.0))
        if not before:
            return False
        opened = claims.get("sid_at")
        return not isinstance(opened, int | float) or opened < before
