"""Declare the reasons that the app gives for an act, and those that its form offers."""

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


class Reason(StrEnum):
    """A reason that no person typed. Rows hold the English text, and pages translate it."""

    LOGGED_OUT = "logged out"
    BY_OWNER = "ended by its owner"
    BY_HOLDER = "revoked by its holder"
    REUSE = "a used-up refresh token was presented again"
    PASSWORD_CHANGED = "password changed"  # noqa: S105
    NOT_ME = "reported by its owner"
    USER_DEACTIVATED = "user deactivated"
    USER_DEACTIVATED_IN_DATABASE = "user deactivated in the database"
    USER_DELETED = "user deleted"
    TOO_MANY_ATTEMPTS = "too many attempts"
    TOO_MANY_SESSIONS = "too many sessions"
    NOT_STAFF = "not staff"
    WRONG_CODE = "wrong code"
    WRONG_PASSKEY = "wrong passkey"
    UNKNOWN_USER = "unknown user"
    INACTIVE_USER = "inactive user"
    WRONG_PASSWORD = "wrong password"  # noqa: S105
    # These four are choices of the form that revokes.
    LOST_DEVICE = "lost device"
    LEFT_COMPANY = "left the company"
    SUSPECTED_THEFT = "suspected theft"
    ASKED_BY_USER = "asked by the user"

    @property
    def label(self) -> Promise:
        """Return the reason in the reader's language."""
        return gettext_lazy(self.value)


OFFERED = (
    Reason.LOST_DEVICE,
    Reason.LEFT_COMPANY,
    Reason.SUSPECTED_THEFT,
    Reason.ASKED_BY_USER,
)
