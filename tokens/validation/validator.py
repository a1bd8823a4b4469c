"""Decide whether a token is accepted.

Bearer calls, refresh, verify, introspect, the inspector and `manage.py inspect_token` all call
this module, so they cannot disagree. The checks run in a fixed order, and the first that fails
decides what the client is told.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.claims import Claims
from tokens.jwt.signing import (
    ACCESS,
    REFRESH,
    UnknownKey,
    Unreadable,
    datetime_claim,
    has_password_claim,
    is_early,
    is_expired,
    jti_of,
    read,
    session_id,
    speaks_for,
    type_of,
)
from tokens.models import Session
from tokens.validation import legacy
from tokens.validation.browser import is_cut_off
from tokens.validation.token_context import TokenContext, load_token_context

CHECKS = ("signature", "times", "type", "known", "revoked", "session", "user", "cut-off")
NO_LONGER_VALID = _("Token is no longer valid")
# The body of ``api/restricted``.
ALLOWED: dict[str, object] = {"response": "YOU ARE ALLOWED HERE"}


@dataclass(frozen=True, slots=True)
class Check:
    """Hold the result of one check.

    ``passed`` is None if the check did not run: an earlier one failed, or the signature was not
    stored. ``why`` is for staff, never for the client.
    """

    name: str
    passed: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Hold why one check failed. ``reuse`` marks a used-up or revoked refresh token."""

    check: str
    why: str
    reuse: bool = False


@dataclass(frozen=True, slots=True)
class Validation:
    """Hold the result of validating one token.

    ``failed`` is the name of the first failing check, or None. ``message`` is for the client,
    ``why`` for staff. ``retry`` marks the direct predecessor within the grace: a refresh answers it
    with the same successor again. ``reuse`` marks a used-up or revoked refresh token, ``stored`` a
    token that was validated by its stored claims, without a signature. ``unknown_key`` marks one
    that names a signing key that this process lacks. ``legacy`` marks a token that names no
    session, and ``account`` is its user. ``outcomes`` holds every check that could be made, if the
    validation was thorough.
    """

    claims: Claims = field(repr=False)
    failed: str | None
    why: str = ""
    message: str = ""
    token_context: TokenContext | None = None
    retry: bool = False
    reuse: bool = False
    stored: bool = False
    unknown_key: bool = False
    legacy: bool = False
    account: AbstractBaseUser | None = None
    outcomes: tuple[Check, ...] = ()

    @property
    def active(self) -> bool:
        """Tell whether every check passed."""
        return self.failed is None

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return the results of all checks, in order."""
        results = self.outcomes or self._results()
        if not self.stored:
            return results
        return (Check("signature", None, str(_("Not kept."))), *results[1:])

    def _results(self) -> tuple[Check, ...]:
        if self.failed is None:
            note = str(_("Used up, but within the grace.")) if self.retry else ""
            return tuple(Check(n, True, note if n == "revoked" else "") for n in CHECKS)
        at = CHECKS.index(self.failed)
        return (
            *(Check(name, True) for name in CHECKS[:at]),
            Check(self.failed, False, self.why),
            *(Check(name, None) for name in CHECKS[at + 1 :]),
        )

    @property
    def token_type(self) -> str:
        """Return ``access`` or ``refresh``; "" for an unreadable token."""
        return str(type_of(self.claims) or "")

    @property
    def jti(self) -> str:
        """Return the id of a token that names a known session or account; "" for any other."""
        return jti_of(self.claims) if self.session is not None or self.legacy else ""

    @property
    def user(self) -> AbstractBaseUser | None:
        """Return the user of the token's session, or of a legacy token."""
        return self.token_context.user if self.token_context else self.account

    @property
    def session(self) -> Session | None:
        """Return the token's session."""
        return self.token_context.session if self.token_context else None

    @property
    def answer(self) -> tuple[int, dict[str, object]]:
        """Return the status and body that a client with this token receives.

        For an access token these are the ones of ``api/restricted``, for a refresh token the ones
        of ``api/refresh``.
        """
        if self.failed is None:
            if self.token_type == ACCESS:
                return 200, ALLOWED
            return 200, {"access": "…", "refresh": "…"}
        if self.token_type == REFRESH:
            return 401, {"detail": self.message, "code": "token_not_valid"}
        return 401, bearer_refusal(self.message)


def bearer_refusal(message: str) -> dict[str, object]:
    """Return the body of a refused bearer call, in the shape of simplejwt."""
    return {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [
            {"token_class": "AccessToken", "token_type": "access", "message": message},
        ],
    }


class TokenRejected(Exception):
    """Raised when a token is not accepted; ``validation`` says why."""

    def __init__(self, validation: Validation) -> None:
        super().__init__(validation.message)
        self.validation = validation


def validate(*, token: str, expected: str | None = None, thorough: bool = False) -> Validation:
    """Run all checks on a token. ``expected`` is its required type, or None for either.

    The result is the same with ``thorough``, which goes on after the first check that fails and
    makes every other check that needs nothing of it.
    """
    try:
        claims = read_claims(token=token, expected=expected, thorough=thorough)
    except TokenRejected as rejected:
        return rejected.validation
    return validate_claims(claims=claims, thorough=thorough)


def _add_times_failure(validation: Validation, message: str) -> Validation:
    """Return a thorough validation whose first failing check is the one of the times."""
    ran, at = validation.checks, CHECKS.index("times")
    outcomes = (*ran[:at], Check("times", False, message), *ran[at + 1 :])
    return replace(
        validation,
        failed="times",
        why=message,
        message=message,
        retry=False,
        reuse=False,
        outcomes=outcomes,
    )


def read_claims(*, token: str, expected: str | None = None, thorough: bool = False) -> Claims:
    """Run the checks that need no database and return the claims. Raises `TokenRejected`.

    An expired token may pass, and with ``thorough`` does: `validate_claims` compares its times with
    the time that the query of the session brings along.
    """
    try:
        claims = read(token)
    except Unreadable as error:
        # The claims of an unreadable token are not repeated: anyone could have written them.
        message = str(_("Token is invalid")) if error.check == "signature" else error.message
        unknown = isinstance(error, UnknownKey)
        refused = Validation({}, error.check, error.message, message, unknown_key=unknown)
        raise TokenRejected(refused) from error
    fits = expected is None or type_of(claims) == expected
    # The known time is never ahead, so what is expired by it is expired.
    now = clock.known() if fits else clock.now()
    if now is not None and is_expired(claims, now) and not (fits and thorough):
        raise TokenRejected(_reject_times(claims, str(_("Token is expired"))))
    if not fits:
        message = str(_("Token has wrong type"))
        raise TokenRejected(Validation(claims, "type", message, message))
    return claims


def validate_stored(*, claims: Claims) -> Validation:
    """Run all checks on the stored claims of a token; only its signature is not kept."""
    return replace(validate_claims(claims=claims, thorough=True), stored=True)


def validate_claims(*, claims: Claims, lock: bool = False, thorough: bool = False) -> Validation:
    """Run the checks that need the database, on claims that passed the others.

    ``lock`` locks the session's row, for a rotation that follows in the same transaction.
    """
    if "sid" in claims:
        found = _validate_in_session(claims, session_id(claims), lock=lock, thorough=thorough)
    else:
        found = _validate_legacy(claims, lock=lock, thorough=thorough)
    now = found.token_context.now if found.token_context is not None else clock.now()
    if message := _times_failure(claims, now):
        return _add_times_failure(found, message) if thorough else _reject_times(claims, message)
    return found


def _validate_legacy(claims: Claims, *, lock: bool, thorough: bool) -> Validation:
    """Run the checks on a token that simplejwt issued before the app was added.

    A cutoff of its user after its ``iat`` ends it, also one of browser sessions: an act that
    sets one ends everything of a user, or everything except for one session. A refresh token that
    has opened a session is validated like every other token of the session.
    """
    if legacy.transition_over():
        why = _("It belongs to no session, and LEGACY_UNTIL has passed.")
        return _reject(claims, None, "known", why)
    token = None
    if type_of(claims) == REFRESH:
        token = legacy.load_legacy_token(jti=jti_of(claims))
        if token.sid is not None:
            return _validate_in_session(claims, token.sid, lock=lock, thorough=thorough)
        if token.row is None and not legacy.predates_table(claims=claims):
            return _reject(claims, None, "known", _("No session or token has this id."))
        if token.blacklisted:
            return _reject(claims, None, "revoked", _("Revoked."))
    user = legacy.load_account(claims=claims)
    if user is None:
        return _reject(claims, None, "user", _("The account is gone."))
    issued = datetime_claim(claims, "iat")
    failure = _legacy_failure(claims, user)
    if token is not None and token.row is not None and token.row.user_id not in (None, user.pk):
        failure = str(_("The token names another account than its record."))
    if failure:
        refused = _reject(claims, None, "user", failure)
    elif issued is None or is_cut_off(user=user, opened=issued):
        refused = _reject(claims, None, "cut-off", _("It was issued before a cutoff."))
    else:
        return Validation(claims, None, legacy=True, account=user)
    return replace(refused, legacy=True, account=user)


def _legacy_failure(claims: Claims, user: AbstractBaseUser) -> str:
    if not user.is_active:
        return str(_("The account is not active."))
    if not has_password_claim(claims, user):
        return str(_("The password was changed since the login."))
    return ""


def _validate_in_session(
    claims: Claims, sid: uuid.UUID | None, *, lock: bool, thorough: bool
) -> Validation:
    refresh = type_of(claims) == REFRESH
    if sid is None:
        return _reject(claims, None, "known", _("No session or token has this id."))
    context = load_token_context(sid=sid, jti=jti_of(claims) if refresh else None, lock=lock)
    if context is None or (refresh and context.token is None):
        return _reject(claims, context, "known", _("No session or token has this id."))
    if context.session.current_id is None:
        # The token's row was deleted from simplejwt's table, and with it the record of whether it
        # was blacklisted.
        return _reject(claims, context, "known", _("Its session has lost its refresh token."))
    retry = refresh and not context.is_current and _within_grace(context)
    failures = _failures(claims, context, retry=retry)
    first = next(failures, None)
    if first is None:
        return Validation(claims, None, token_context=context, retry=retry)
    outcomes = _outcomes([first, *failures]) if thorough else ()
    message = str(NO_LONGER_VALID)
    return Validation(
        *(claims, first.check, first.why, message, context), reuse=first.reuse, outcomes=outcomes
    )


def _failures(claims: Claims, context: TokenContext, *, retry: bool) -> Iterator[Failure]:
    """Yield why a token of a known session fails, in the order of the checks."""
    refresh = type_of(claims) == REFRESH
    if refresh and not retry and (context.used_up or not context.is_current):
        used = _("Revoked.") if context.is_current else _("Used up: it has a successor.")
        yield Failure("revoked", str(used), reuse=True)
    if context.session.revoked_at is not None:
        why = _("Its session was revoked: %(reason)s") % {"reason": context.session.revoke_reason}
        yield Failure("revoked", why, reuse=refresh)
    if context.current_ended:
        yield Failure("revoked", str(_("Its session's refresh token was revoked.")))
    if context.session.expires_at <= context.now:
        yield Failure("session", str(_("The session has reached its absolute end.")))
    elif context.session.revoked_at is not None or context.current_ended:
        yield Failure("session", "")
    if failure := _user_failure(claims, context):
        yield Failure("user", failure)
    if context.cut_off:
        yield Failure("cut-off", str(_("The session was opened before a cutoff.")))


def _outcomes(failures: Iterable[Failure]) -> tuple[Check, ...]:
    """Return the results of all checks on a token of a known session."""
    failed: dict[str, str] = {}
    for failure in failures:
        failed.setdefault(failure.check, failure.why)
    return tuple(Check(name, name not in failed, failed.get(name, "")) for name in CHECKS)


def _times_failure(claims: Claims, now: datetime) -> str:
    """Return why the times of a token refuse it, or ""."""
    if is_expired(claims, now):
        return str(_("Token is expired"))
    return str(_("Token is not yet valid")) if is_early(claims, now) else ""


def _reject_times(claims: Claims, message: str) -> Validation:
    return Validation(claims, "times", message, message)


def _within_grace(context: TokenContext) -> bool:
    """Tell whether the token is the direct predecessor, used up within the grace.

    The grace ends early if the successor or the session ends.
    """
    session = context.session
    grace = timedelta(seconds=app_settings.REFRESH_GRACE_SECONDS)
    return (
        # A grace of 0 allows no retry, even if the database's clock was set back.
        bool(grace)
        and context.token is not None
        and context.token.pk == session.previous_id
        and session.rotated_at is not None
        and context.now - session.rotated_at < grace
        and not context.current_ended
        and session.revoked_at is None
    )


def _user_failure(claims: Claims, context: TokenContext) -> str:
    if context.user is None:
        return str(_("The account is gone."))
    if not speaks_for(claims, context.user):
        return str(_("The token names another account than its session."))
    if not context.user.is_active:
        return str(_("The account is not active."))
    if not context.password_unchanged:
        return str(_("The password was changed since the login."))
    return ""


def _reject(
    claims: Claims,
    context: TokenContext | None,
    check: str,
    why: str | Promise,
) -> Validation:
    return Validation(claims, check, str(why), str(NO_LONGER_VALID), context)
