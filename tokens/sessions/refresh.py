"""Exchange a refresh token for its successor (RFC 9700, section 4.14.2).

However many clients present one token at once, one successor exists: a rotation locks the session's
row, and only the session's current token can be rotated. Within the grace the other clients get the
same successor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from tokens import audit
from tokens.conf import app_settings
from tokens.db.statements import copy_of
from tokens.jwt.claims import Claims
from tokens.jwt.signing import (
    REFRESH,
    STOCK_REFRESH,
    Token,
    TokenClass,
    jti_of,
    new_successor,
    passes_rule,
    sign,
    stored_refresh,
)
from tokens.models import Event, Kind, OutstandingToken, Session, SessionToken
from tokens.models.lengths import HIGHEST_COUNT
from tokens.models.reasons import Reason
from tokens.origin import Origin, acting_from, after_view, current_origin
from tokens.revocation import revoke_session
from tokens.revocation.sessions import blacklist
from tokens.sessions._rotation import write_in_one_statement
from tokens.sessions.claims import session_claims
from tokens.sessions.issue import IssuedPair, access_token, sign_for_storage
from tokens.sessions.legacy import open_legacy_session
from tokens.validation.token_context import TokenContext
from tokens.validation.validator import (
    NO_LONGER_VALID,
    TokenRejected,
    Validation,
    read_claims,
    validate_claims,
)

USED_FIELDS = ("last_used_at", "ip", "user_agent")
ROTATED_FIELDS = ("previous", "current", "rotated_at", "ends_at", "rotations", *USED_FIELDS)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Hold the rows of a rotation that is about to be written, and the pair for the client.

    ``session`` is the session as the rotation leaves it, ``successor`` the row of the new token.
    """

    session: Session
    successor: OutstandingToken
    event: Event
    pair: IssuedPair


def rotate(
    *, refresh: str, origin: Origin | None = None, token_class: TokenClass = STOCK_REFRESH
) -> IssuedPair:
    """Return the successor of ``refresh`` with a new access token.

    ``token_class`` makes the successor: simplejwt's class, or a subclass with a lifetime of its
    own. Raises `TokenRejected` if the token is not accepted. If it was reused, its session has been
    revoked, and that is committed before the exception is raised. Raises
    `tokens.sessions.claims.ClaimsUnavailable` if the CLAIMS function fails; nothing is written.
    """
    claims = read_claims(token=refresh, expected=REFRESH)
    with acting_from(origin or current_origin()):
        if connection.vendor == "postgresql" and (pair := _rotate_unlocked(claims, token_class)):
            return pair
        with transaction.atomic(durable=True):
            outcome = _under_lock(refresh, claims, partial(_rotate, token_class=token_class))
    return _accepted(outcome)


def rotate_in_transaction(
    *, refresh: str, origin: Origin | None = None, token_class: TokenClass = STOCK_REFRESH
) -> IssuedPair:
    """Do as `rotate` does, inside the transaction of a view.

    A refusal rolls that transaction back, so a reused token's session is revoked again after it.
    """
    claims = read_claims(token=refresh, expected=REFRESH)
    with acting_from(origin or current_origin()), transaction.atomic():
        outcome = _under_lock(refresh, claims, partial(_rotate, token_class=token_class))
    _end_after_view(outcome, claims)
    return _accepted(outcome)


def rotate_shared(*, refresh: str, origin: Origin | None = None) -> IssuedPair:
    """Do as `rotate` does for a token that several tabs of a browser share.

    They refresh at the same time, with the token of before or after a rotation. So a token that is
    younger than the grace is answered with itself and a new access token: until the tabs have it,
    there is no later one, and none of them presents a token that was used up twice.
    """
    claims = read_claims(token=refresh, expected=REFRESH)
    act = partial(_rotate_unless_fresh, refresh=refresh)
    with acting_from(origin or current_origin()), transaction.atomic(durable=True):
        outcome = _under_lock(refresh, claims, act)
    return _accepted(outcome)


def renew(
    *, refresh: str, origin: Origin | None = None, token_class: TokenClass = STOCK_REFRESH
) -> IssuedPair:
    """Return a new access token, and leave the refresh token as it is.

    For projects that don't rotate refresh tokens (ROTATE_REFRESH_TOKENS is False). Raises what
    `rotate` raises; a revoked token ends its session here too.
    """
    claims = read_claims(token=refresh, expected=REFRESH)
    use = partial(_use, refresh=refresh, token_class=token_class)
    with acting_from(origin or current_origin()), transaction.atomic():
        outcome = _under_lock(refresh, claims, use)
    _end_after_view(outcome, claims)
    return _accepted(outcome)


def _accepted(outcome: IssuedPair | Validation) -> IssuedPair:
    if isinstance(outcome, Validation):
        raise TokenRejected(outcome)
    return outcome


def _end_after_view(outcome: IssuedPair | Validation, claims: Claims) -> None:
    """End a reused token's session once more after a view whose refusal rolls it back."""
    if connection.in_atomic_block and isinstance(outcome, Validation) and outcome.reuse:
        after_view(partial(_end_reused, claims))


@transaction.atomic(durable=True)
def _end_reused(claims: Claims) -> None:
    """End the session of a token that is still a reuse after the view's transaction."""
    validation = validate_claims(claims=claims, lock=True)
    if validation.reuse and validation.token_context is not None:
        _end_session(validation.token_context, claims)


def _under_lock(
    refresh: str, claims: Claims, act: Callable[[TokenContext, Claims], IssuedPair]
) -> IssuedPair | Validation:
    """Lock the session, then act, answer a retry, or end the session of a reused token.

    Returns the failed validation if the token is not accepted. The caller raises it after the
    transaction, which would otherwise roll the revocation back.
    """
    validation = validate_claims(claims=claims, lock=True)
    if validation.legacy and validation.active:
        validation = open_legacy_session(validation=validation, token=refresh)
    validation = _by_rule(validation)
    context = validation.token_context
    if context is None:
        return validation
    if _may_rotate(validation):
        return act(context, claims)
    if validation.active:
        return _retry(context, claims)
    if validation.reuse:
        _end_session(context, claims)
    return validation


def _rotate(context: TokenContext, claims: Claims, *, token_class: TokenClass) -> IssuedPair:
    rotation = plan_rotation(context=context, claims=claims, token_class=token_class)
    write_under_lock(rotation)
    return rotation.pair


def _rotate_unless_fresh(context: TokenContext, claims: Claims, *, refresh: str) -> IssuedPair:
    session = context.session
    age = context.now - (session.rotated_at or session.created_at)
    if age < timedelta(seconds=app_settings.REFRESH_GRACE_SECONDS):
        return _use(context, claims, refresh=refresh, token_class=STOCK_REFRESH)
    return _rotate(context, claims, token_class=STOCK_REFRESH)


def _use(
    context: TokenContext, claims: Claims, *, refresh: str, token_class: TokenClass
) -> IssuedPair:
    """Record the use of a refresh token that is not rotated."""
    session = context.session
    access = _sign_access(context, stored_refresh(text=refresh, token_class=token_class))
    _set_use(session, context.now)
    session.save(update_fields=USED_FIELDS)
    jti = jti_of(claims)
    audit.write(_build_event(Kind.REFRESH, context, jti=jti, presented=jti))
    return IssuedPair(session, refresh, access)


def _set_use(session: Session, now: datetime) -> None:
    """Set the time of the last use, and the address and device of the request.

    The database keeps those that they replace, see `tokens.db.session_origins`.
    """
    origin = current_origin()
    session.last_used_at = now
    if origin.ip is not None:
        session.ip, session.user_agent = origin.ip, origin.columns["user_agent"]


def _sign_access(context: TokenContext, refresh: Token) -> str:
    if context.user is None:
        raise LookupError("a session without a user passed the validation")
    session = context.session
    claims = session_claims(user=context.user, session=session) if app_settings.CLAIMS else {}
    return access_token(refresh=refresh, session=session, now=context.now, claims=claims)


def _rotate_unlocked(claims: Claims, token_class: TokenClass) -> IssuedPair | None:
    """Validate, then rotate with one statement that locks the row itself.

    This serves nearly every refresh. Returns None if the token cannot be rotated, or if another
    transaction moved the session in between: the caller then validates it again under the lock.
    """
    validation = _by_rule(validate_claims(claims=claims))
    if not _may_rotate(validation) or validation.token_context is None:
        return None
    context = validation.token_context
    rotation = plan_rotation(context=context, claims=claims, token_class=token_class)
    return rotation.pair if write_in_one_statement(rotation) else None


def _may_rotate(validation: Validation) -> bool:
    return validation.active and not validation.retry


def _by_rule(validation: Validation) -> Validation:
    """Apply simplejwt's USER_AUTHENTICATION_RULE, as simplejwt does at each refresh."""
    if not validation.active or validation.user is None or passes_rule(validation.user):
        return validation
    why = str(_("USER_AUTHENTICATION_RULE refuses the account."))
    return replace(validation, failed="user", why=why, message=str(NO_LONGER_VALID), retry=False)


def plan_rotation(
    *, context: TokenContext, claims: Claims, token_class: TokenClass = STOCK_REFRESH
) -> Rotation:
    """Make the rows of a rotation and sign the new pair, without writing anything.

    The context and its session stay as they are.
    """
    now = context.now
    session = copy_of(context.session)
    refresh = new_successor(
        claims=claims,
        user=context.user,
        sid=session.pk,
        now=now,
        expires_at=session.expires_at,
        token_class=token_class,
    )
    signed, successor = sign_for_storage(refresh=refresh, user=context.user, now=now)
    session.previous_id = context.session.current_id
    session.rotated_at = now
    _set_use(session, now)
    session.ends_at = successor.expires_at
    session.rotations = min(session.rotations + 1, HIGHEST_COUNT)
    event = _build_event(Kind.REFRESH, context, jti=successor.jti, presented=jti_of(claims))
    access = _sign_access(context, refresh)
    return Rotation(session, successor, event, IssuedPair(session, signed, access))


def write_under_lock(rotation: Rotation) -> None:
    """Write a rotation. The caller has locked the session's row and validated the token since."""
    session, successor = rotation.session, rotation.successor
    successor.save(force_insert=True)
    SessionToken.objects.create(token=successor, session=session)
    session.current = successor
    session.save(update_fields=ROTATED_FIELDS)
    # Now: a session whose current token is blacklisted has ended, see `tokens.db.revocation_feed`.
    used = OutstandingToken.objects.filter(pk=session.previous_id)
    blacklist(used, "pk", rotation.event.at)
    audit.write(rotation.event)


def _retry(context: TokenContext, claims: Claims) -> IssuedPair:
    """Answer a retry of the direct predecessor with the same successor, signed again.

    A client that lost a response stays logged in, and the session never has two current tokens.
    """
    session = context.session
    current = session.current
    if current is None:
        raise LookupError("a session without a current token passed the validation")
    token = stored_refresh(text=current.token)
    access = _sign_access(context, token)
    # The client gets a new access token; its lifetime counts from this use.
    _set_use(session, context.now)
    session.save(update_fields=USED_FIELDS)
    event = _build_event(Kind.REFRESH_RETRY, context, jti=current.jti, presented=jti_of(claims))
    audit.write_bounded(event, about=(session.pk,))
    return IssuedPair(session, sign(token), access)


def _end_session(context: TokenContext, claims: Claims) -> None:
    """Revoke the session of a reused token: either its owner or a thief has used it before."""
    jti = jti_of(claims)
    ended = revoke_session(
        session=context.session, actor=None, reason=Reason.REUSE, kind=Kind.REUSE, jti=jti
    )
    # One event for each token: a client that repeats a dead token must not fill the trail.
    if not ended and not Event.objects.filter(jti=jti, kind=Kind.REUSE).exists():
        audit.write(_build_event(Kind.REUSE, context, jti=jti, presented=jti, count=0))


def _build_event(
    kind: Kind, context: TokenContext, *, jti: str, presented: str, count: int = 1
) -> Event:
    return audit.build_event(
        kind=kind,
        at=context.now,
        actor=None if kind is Kind.REUSE else context.user,
        subject=context.user,
        subject_name=context.session.username,
        session=context.session.pk,
        jti=jti,
        count=count,
        data={} if presented == jti else {"presented": presented},
    )
