"""The one judge of a token. Bearer calls, refresh, verify, introspect, the inspector and
`manage.py inspect_token` all go by it, so that they cannot disagree.

The checks come in a fixed order, and the first that fails decides what a client is told.
"""

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tokens.models import Session
from tokens.selectors.standing import Standing, standing
from tokens.signing import ACCESS, REFRESH, Unreadable, read, session_id, speaks_for

CHECKS = ("signature", "times", "type", "known", "revoked", "session", "user", "cut-off")
GONE = _("Token is no longer valid")


@dataclass(frozen=True, slots=True)
class Check:
    """One step. ``passed`` is None for a step that was not made: an earlier failure kept it from
    that, or (the signature of a stored token) there is nothing to check. ``why`` is for staff,
    never for the client."""

    name: str
    passed: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``failed`` is the first failing check or None; ``message`` what the client is told.
    ``retry`` marks the direct predecessor within the grace: a refresh answers it with the
    same successor. ``reuse`` marks a used-up or revoked refresh token, ``stored`` one that was
    judged by its claims alone."""

    claims: dict[str, Any] = field(repr=False)
    failed: str | None
    why: str = ""
    message: str = ""
    standing: Standing | None = None
    retry: bool = False
    reuse: bool = False
    stored: bool = False

    @property
    def active(self) -> bool:
        return self.failed is None

    @property
    def checks(self) -> tuple[Check, ...]:
        made = self._made()
        if not self.stored:
            return made
        return (Check("signature", None, str(_("Not kept."))), *made[1:])

    def _made(self) -> tuple[Check, ...]:
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
    def first_failure(self) -> Check | None:
        return next((check for check in self.checks if check.passed is False), None)

    @property
    def token_type(self) -> str:
        return str(self.claims.get("token_type", ""))

    @property
    def user(self) -> Any | None:
        return self.standing.user if self.standing else None

    @property
    def session(self) -> Session | None:
        return self.standing.session if self.standing else None

    @property
    def answer(self) -> tuple[int, dict[str, Any]]:
        """Status and body that a client presenting the token gets: on ``api/restricted`` for
        an access token, on ``api/refresh`` for a refresh token."""
        if self.failed is None:
            body: dict[str, Any] = {"response": "YOU ARE ALLOWED HERE"}
            return 200, body if self.token_type == ACCESS else {"access": "…", "refresh": "…"}
        if self.token_type == REFRESH:
            return 401, {"detail": self.message, "code": "token_not_valid"}
        return 401, bearer_refusal(self.message)


def bearer_refusal(message: str) -> dict[str, Any]:
    """The body of a refused bearer call, in simplejwt's own shape."""
    return {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [
            {"token_class": "AccessToken", "token_type": "access", "message": message},
        ],
    }


class Refused(Exception):
    """A token was judged, and refused; ``verdict`` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


def explain(*, token: str, expected: str | None = None) -> Verdict:
    """Judge ``token``. ``expected`` is the type that belongs where it was presented, None
    where either does."""
    try:
        return judge(claims=claims_of(token=token, expected=expected))
    except Refused as refused:
        return refused.verdict


def claims_of(*, token: str, expected: str | None = None) -> dict[str, Any]:
    """The claims of a token that passes the checks which need no database; raises `Refused`."""
    try:
        claims = read(token)
    except Unreadable as error:
        # Of an unreadable token nothing is repeated but our own words.
        message = str(_("Token is invalid")) if error.check == "signature" else error.message
        raise Refused(Verdict({}, error.check, error.message, message)) from error
    if expected is not None and claims["token_type"] != expected:
        message = str(_("Token has wrong type"))
        raise Refused(Verdict(claims, "type", message, message))
    return claims


def explain_stored(*, claims: dict[str, Any]) -> Verdict:
    """The verdict on a token of ours whose claims we stored: every check but the signature,
    which we do not keep."""
    exp = claims.get("exp", 0)
    if isinstance(exp, int | float) and exp <= timezone.now().timestamp():
        message = str(_("Token is expired"))
        return Verdict(claims, "times", message, message, stored=True)
    return replace(judge(claims=claims), stored=True)


def judge(*, claims: dict[str, Any], lock: bool = False) -> Verdict:
    """The checks that need the database, on claims that have passed the others. ``lock`` holds
    the session's row, for the rotation that follows."""
    sid = session_id(claims)
    refresh = claims["token_type"] == REFRESH
    where = _look(sid, claims["jti"] if refresh else None, lock)
    if where is None or (refresh and where.token is None):
        return _refuse(claims, where, "known", _("No session or token of ours has this id."))
    if where.session.current_id is None:
        # Its row was deleted from simplejwt's table, and what that row said about the session
        # went with it.
        return _refuse(claims, where, "known", _("Its session has lost its refresh token."))
    now = timezone.now()
    retry = refresh and not where.is_current and _within_grace(where, now)
    if refresh and not retry and (where.used_up or not where.is_current):
        used = _("Revoked.") if where.is_current else _("Used up: it has a successor.")
        return _refuse(claims, where, "revoked", used, reuse=True)
    if where.session.revoked_at is not None:
        why = _("Its session was revoked: %(reason)s") % {"reason": where.session.revoke_reason}
        return _refuse(claims, where, "revoked", why, reuse=refresh)
    if where.current_ended:
        return _refuse(claims, where, "revoked", _("Its session's refresh token was revoked."))
    if where.session.expires_at <= now:
        return _refuse(claims, where, "session", _("The session has reached its absolute end."))
    if failure := _user_failure(claims, where):
        return _refuse(claims, where, "user", failure)
    if where.cut_off:
        return _refuse(claims, where, "cut-off", _("The session was opened before a cut-off."))
    return Verdict(claims, None, standing=where, retry=retry)


def _look(sid: uuid.UUID | None, jti: str | None, lock: bool) -> Standing | None:
    return standing(sid=sid, jti=jti, lock=lock) if sid is not None else None


def _within_grace(where: Standing, now: datetime) -> bool:
    """Only the direct predecessor, only while its successor is good, and only just after."""
    session = where.session
    grace = timedelta(seconds=settings.REFRESH_GRACE_SECONDS)
    return (
        # No grace is none at all, even where this host's clock runs behind the other's.
        bool(grace)
        and where.token is not None
        and where.token.pk == session.previous_id
        and session.rotated_at is not None
        and now - session.rotated_at < grace
        and not where.current_ended
        and session.revoked_at is None
    )


def _user_failure(claims: dict[str, Any], where: Standing) -> str:
    if where.user is None:
        return str(_("The account is gone."))
    if not speaks_for(claims, where.user):
        return str(_("The token names another account than its session."))
    if not where.user.is_active:
        return str(_("The account is not active."))
    if not where.password_unchanged:
        return str(_("The password was changed since the login."))
    return ""


def _refuse(
    claims: dict[str, Any], where: Standing | None, check: str, why: Any, *, reuse: bool = False
) -> Verdict:
    return Verdict(claims, check, str(why), str(GONE), where, reuse=reuse)
