"""Open the session of a legacy refresh token, when it is presented for the first time.

The session begins when the token was issued, so a cutoff in between still ends it. The token itself
becomes the session's first token: its rotation, a retry and a reuse are then like any other's.
"""

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser

from tokens import audit
from tokens.audit.record import name_of
from tokens.jwt.claims import Claims, redact
from tokens.jwt.signing import datetime_claim, time_ordered_id
from tokens.models import Kind, Session, SessionToken
from tokens.origin import current_origin
from tokens.revocation.presented import record_token
from tokens.sessions.issue import session_lifetime
from tokens.validation.token_context import lock_account, password_mark
from tokens.validation.validator import Validation, validate_claims


def open_legacy_session(*, validation: Validation, token: str) -> Validation:
    """Open a session for a valid legacy refresh token, and validate the token again in it.

    ``token`` is its text. The caller is in a transaction, and gets a failed validation if the
    token or its account has ended in the meantime. If another call has opened the session, the
    token is validated in that session.
    """
    user = validation.account
    if user is None:
        return validation
    # Concurrent calls, and revocations of the user, wait here for each other.
    locked = lock_account(key=user.pk)
    validation = validate_claims(claims=validation.claims, lock=True)
    if locked.user is None or not (validation.legacy and validation.active):
        return validation
    _write_session(validation.claims, token, locked.user, locked.now)
    return validate_claims(claims=validation.claims, lock=True)


def _write_session(claims: Claims, token: str, account: AbstractBaseUser, now: datetime) -> None:
    row, _new = record_token(claims=claims, token=token, user_key=account.pk)
    if row.token != redact(row.token):
        row.token = redact(row.token)
        row.save(update_fields=["token"])
    began = datetime_claim(claims, "iat")
    if began is None:
        raise LookupError("a legacy token without iat passed the validation")
    session = Session(
        id=time_ordered_id(now),
        user_id=account.pk,
        username=name_of(account),
        password_mark=password_mark(account),
        created_at=began,
        last_used_at=now,
        expires_at=began + session_lifetime(),
        ends_at=row.expires_at,
        **current_origin().columns,
        current=row,
    )
    session.save(force_insert=True)
    SessionToken.objects.create(token=row, session=session)
    audit.record(
        kind=Kind.LEGACY_ADOPTED,
        at=now,
        actor=account,
        subject=account,
        session=session.pk,
        jti=row.jti,
        data={"issued": began.isoformat()},
    )
