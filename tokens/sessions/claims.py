"""Ask the project's CLAIMS function for the claims of an access token.

It is asked at each login and each refresh, so a changed role reaches the next access token. Its
claims are not in the refresh token, so none can be inherited from an earlier answer.
"""

import logging
from collections.abc import Callable

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.module_loading import import_string

from tokens.conf import app_settings
from tokens.jwt.claims import Claims
from tokens.jwt.signing import check_usable
from tokens.models import Session

logger = logging.getLogger(__name__)


class ClaimsUnavailable(Exception):
    """Raised when the CLAIMS function fails, or returns claims that no token can carry.

    No token is issued: old claims could grant what was taken away.
    """


def session_claims(*, user: AbstractBaseUser, session: Session) -> Claims:
    """Return the claims of the CLAIMS function, or none if the project has no such function."""
    path = app_settings.CLAIMS
    if not path:
        return {}
    try:
        function: Callable[[AbstractBaseUser, Session], Claims] = import_string(path)
        claims = dict(function(user, session))
    except Exception as error:
        # Only the type is logged: the text of the error may quote parameters.
        logger.error("CLAIMS: %s raised %s", path, type(error).__name__)
        raise ClaimsUnavailable(path) from error
    try:
        check_usable(claims)
    except (ValueError, TypeError) as error:
        logger.error("CLAIMS: %s returned claims that cannot be used: %s", path, error)
        raise ClaimsUnavailable(path) from error
    return claims
