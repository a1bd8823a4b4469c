"""End what the holder of a token presents: log out."""

from django.db import transaction

from tokens import audit
from tokens.db import clock
from tokens.jwt.claims import Claims, redact
from tokens.jwt.keys import KeyUnavailable
from tokens.jwt.signing import REFRESH, datetime_claim, jti_of, type_of
from tokens.models import Kind, OutstandingToken
from tokens.revocation.sessions import Revocation, end_tokens, lock_user, revoke_session
from tokens.validation.validator import Validation, validate_claims


def revoke_presented(*, validation: Validation, token: str, reason: str) -> Revocation:
    """End the session of a validated token, whatever its state (RFC 7009, section 2.1).

    A legacy refresh token is recorded, if it was not, and blacklisted. A legacy access token, and a
    token whose session is not known, change nothing. Raises `tokens.jwt.keys.KeyUnavailable` for a
    token of a signing key that only other processes have: its session may be live.
    """
    if validation.unknown_key:
        raise KeyUnavailable("The token names a signing key that this process does not have.")
    if validation.session is not None:
        return revoke_session(
            session=validation.session,
            actor=validation.session.user,
            reason=reason,
            kind=Kind.LOGOUT,
            jti=jti_of(validation.claims),
        )
    user = validation.account
    if user is None or not validation.active or type_of(validation.claims) != REFRESH:
        return Revocation()
    with transaction.atomic():
        # A refresh locks the same row before the token opens a session, so look again.
        lock_user(user=user)
        validation = validate_claims(claims=validation.claims)
        if validation.session is not None:
            return revoke_presented(validation=validation, token=token, reason=reason)
        row, _new = record_token(claims=validation.claims, token=token, user_key=user.pk)
        ended = end_tokens(tokens=OutstandingToken.objects.filter(pk=row.pk))
        if ended:
            audit.record(kind=Kind.LOGOUT, actor=user, subject=user, jti=row.jti, reason=reason)
        return ended


def record_token(*, claims: Claims, token: str, user_key: object) -> tuple[OutstandingToken, bool]:
    """Return the row of a refresh token, and whether it is new.

    A new row is written without the signature.
    """
    now = clock.now()
    row, new = OutstandingToken.objects.get_or_create(
        jti=jti_of(claims),
        defaults={
            "user_id": user_key,
            "token": redact(token),
            "created_at": datetime_claim(claims, "iat") or now,
            "expires_at": datetime_claim(claims, "exp") or now,
        },
    )
    return row, new
