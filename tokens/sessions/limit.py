"""Limit how many sessions a user has at once (MAX_SESSIONS)."""

from django.contrib.auth.base_user import AbstractBaseUser

from tokens.conf import app_settings
from tokens.listing.status import live
from tokens.models import Session
from tokens.models.reasons import Reason
from tokens.revocation import revoke_session

# Sessions that one login ends at most, where the limit is new or was lowered.
AT_ONCE = 20


def end_oldest_sessions(*, user: AbstractBaseUser) -> None:
    """End the sessions of a user that are beyond the limit, the oldest first, each with an event.

    The caller has opened a session and holds the lock on the account, so that logins at the same
    time leave no more sessions than the limit.
    """
    limit = app_settings.MAX_SESSIONS
    if not limit:
        return
    newest_first = live(Session.objects.filter(user=user.pk)).order_by("-created_at", "-pk")
    for session in reversed(newest_first[limit : limit + AT_ONCE]):
        revoke_session(session=session, actor=None, reason=Reason.TOO_MANY_SESSIONS)
