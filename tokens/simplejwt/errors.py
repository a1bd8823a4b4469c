"""Raise REST framework's and simplejwt's errors for what the core reports."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework_simplejwt.exceptions import InvalidToken

from tokens.accounts.factors import FactorMissing, FactorNeeded
from tokens.accounts.passwords import LoginBusy, LoginLocked
from tokens.audit.refusals import record_refusal
from tokens.jwt.keys import KeyUnavailable
from tokens.sessions.claims import ClaimsUnavailable
from tokens.sessions.issue import LoginSuperseded
from tokens.validation.validator import Validation, bearer_refusal
from tokens.web.errors import (
    FACTOR_MISSING,
    FACTOR_NEEDED,
    RETRY_AFTER_SECONDS,
    UNAVAILABLE,
    is_fault,
)

logger = logging.getLogger(__name__)


class BearerRefused(InvalidToken):  # type: ignore[misc]  # simplejwt ships no types
    """Refuse a bearer call with simplejwt's body, and remember the call."""

    def __init__(self, validation: Validation) -> None:
        record_refusal(validation)
        super().__init__(bearer_refusal(validation.message))


class CodeNeeded(AuthenticationFailed):
    """Ask for the second factor of the account, after its right password."""

    def __init__(self) -> None:
        super().__init__({"detail": FACTOR_NEEDED, "code": "mfa_required"})


class EnrolmentNeeded(AuthenticationFailed):
    """Refuse staff without a second factor, if STAFF_MFA requires one."""

    def __init__(self) -> None:
        super().__init__({"detail": FACTOR_MISSING, "code": "mfa_enrolment_required"})


class Unavailable(APIException):
    """Answer 503 or 429 with ``Retry-After``, which REST framework makes of ``wait`` (seconds)."""

    status_code = 503
    default_code = "unavailable"
    default_detail = UNAVAILABLE

    def __init__(self, *, wait: int = RETRY_AFTER_SECONDS, status: int = 503) -> None:
        self.status_code = status
        detail = _("Too many attempts. Try again in %(seconds)s seconds.") % {"seconds": wait}
        super().__init__(detail if status == 429 else None)
        self.wait = wait


def token_not_valid(validation: Validation) -> InvalidToken:
    """Return simplejwt's error for a refused token in the body of a call, and remember the call."""
    record_refusal(validation)
    return InvalidToken(validation.message)


@contextmanager
def as_api_errors() -> Iterator[None]:
    """Translate what the core raises, so that the views of any project answer with its status.

    An account that has changed since its password was checked is a 401, a fault a 503.
    """
    try:
        yield
    except LoginSuperseded as error:
        detail = _("No active account found with the given credentials")
        raise AuthenticationFailed(detail, "no_active_account") from error
    except LoginLocked as error:
        raise Unavailable(wait=error.retry_after, status=429) from error
    except LoginBusy as error:
        raise Unavailable(wait=error.retry_after) from error
    except FactorNeeded as error:
        raise CodeNeeded from error
    except FactorMissing as error:
        raise EnrolmentNeeded from error
    except (ClaimsUnavailable, KeyUnavailable) as error:
        raise Unavailable from error
    except Error as error:
        raise_if_fault(error)
        raise


def raise_if_fault(error: Error) -> None:
    """Raise `Unavailable` if the database is away, full or read-only."""
    if is_fault(error):
        # Log only the type: a driver's message may quote parameters.
        logger.error("database fault: %s", type(error).__name__)
        raise Unavailable from error
