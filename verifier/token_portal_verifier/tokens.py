"""The claims of a token, and the reasons to refuse one."""

from datetime import UTC, datetime
from typing import Any


class Invalid(Exception):
    """Raised for a token that is not accepted.

    ``reason`` is one of malformed, type, key, signature, issuer, audience, expired, early, session,
    revoked and stale.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stale(Invalid):
    """Raised because the portal has been away for too long; the token may be good."""

    def __init__(self) -> None:
        super().__init__("stale")


class Claims(dict[str, Any]):
    """The claims of an accepted token."""

    @property
    def user_id(self) -> str:
        """Return the id of the account, as text."""
        return str(self.get("user_id", self.get("sub", "")))

    @property
    def session_id(self) -> str:
        """Return the id of the session."""
        return str(self["sid"])

    @property
    def expires_at(self) -> datetime:
        """Return when the token expires."""
        return datetime.fromtimestamp(self["exp"], UTC)
