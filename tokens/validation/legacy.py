"""Load what the validation of a legacy token needs.

simplejwt issued it before the app was added, so it names no session. A legacy refresh token opens
one at its next refresh (`tokens.sessions.legacy`), and belongs to that session from then on.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.claims import Claims
from tokens.jwt.signing import datetime_claim, owner_lookup, simplejwt_records_successors
from tokens.models import BlacklistedToken, OutstandingToken, SessionToken
from tokens.validation.browser import with_browser_cutoff

# Processes of the release without the app may still issue tokens for a while after `migrate`.
DEPLOYMENT = timedelta(hours=1)
FIRST_MIGRATION = "0001_initial"


def transition_end() -> datetime | None:
    """Return LEGACY_UNTIL as an aware datetime; None if the transition has no end.

    Raises ValueError if the setting is neither a datetime nor ISO 8601 text.
    """
    value = app_settings.LEGACY_UNTIL
    if not value:
        return None
    end = datetime.fromisoformat(value) if isinstance(value, str) else value
    return timezone.make_aware(end) if timezone.is_naive(end) else end


def transition_over() -> bool:
    """Tell whether legacy tokens are no longer accepted."""
    end = transition_end()
    return end is not None and clock.now() >= end


@dataclass(frozen=True, slots=True)
class LegacyToken:
    """Hold what the tables say about a legacy refresh token.

    ``row`` is None if it was never recorded. ``sid`` is the session that it has opened, or None.
    """

    row: OutstandingToken | None
    sid: uuid.UUID | None
    blacklisted: bool


def load_legacy_token(*, jti: str) -> LegacyToken:
    """Load a legacy refresh token by its ``jti``."""
    row = OutstandingToken.objects.filter(jti=jti).first()
    if row is None:
        return LegacyToken(None, None, blacklisted=False)
    sid = SessionToken.objects.filter(token=row).values_list("session_id", flat=True).first()
    blacklisted = BlacklistedToken.objects.filter(token=row).exists()
    return LegacyToken(row, sid, blacklisted=blacklisted)


def load_account(*, claims: Claims) -> AbstractBaseUser | None:
    """Load the account that a legacy token names, and the latest cutoff with the same query."""
    lookup = owner_lookup(claims)
    if lookup is None:
        return None
    users = with_browser_cutoff(get_user_model()._default_manager.all())
    try:
        user = users.filter(**lookup).first()
    except (ValueError, TypeError, OverflowError, ValidationError):
        return None  # the key is of another type
    return user if isinstance(user, AbstractBaseUser) else None


def predates_table(*, claims: Claims) -> bool:
    """Tell whether a refresh token is older than the table that would have recorded it."""
    issued, since = datetime_claim(claims, "iat"), recorded_since()
    return issued is not None and since is not None and issued < since


def recorded_since() -> datetime | None:
    """Return the instant since which each refresh token has a row; None without the table.

    simplejwt records refresh tokens since its blacklist app was migrated. Its releases without
    ``outstand`` record no token that a rotation issues.
    """
    first = "token_blacklist" if simplejwt_records_successors() else "tokens"
    migrations = MigrationRecorder(connection).migration_qs
    applied = migrations.filter(app=first, name=FIRST_MIGRATION).values_list("applied", flat=True)
    since = applied.first()
    return since and since + DEPLOYMENT
