"""Open a session and issue its first pair of tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction

from tokens import audit
from tokens.accounts.factors import require_of_staff
from tokens.audit.record import name_of
from tokens.conf import AppSettings, app_settings
from tokens.jwt.claims import Claims, redact
from tokens.jwt.signing import (
    STOCK_REFRESH,
    Token,
    TokenClass,
    datetime_claim,
    jti_of,
    new_access,
    new_refresh,
    refresh_lifetime,
    sign,
    time_ordered_id,
)
from tokens.models import Event, Kind, OutstandingToken, Session, SessionToken
from tokens.origin import Origin, acting_from, current_origin
from tokens.sessions import _issue
from tokens.sessions.claims import session_claims
from tokens.sessions.limit import end_oldest_sessions
from tokens.validation.token_context import lock_account, password_mark


class LoginSuperseded(Exception):
    """Raised when the account has changed since its password was checked.

    It was deactivated or deleted, or its password was changed.
    """


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """Hold a signed pair of tokens, in compact form. The signatures are not stored anywhere."""

    session: Session
    refresh: str = field(repr=False)
    access: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opening:
    """Hold the rows of a session that is about to be opened, and the pair for the client.

    ``refresh`` is the first refresh token, not signed, and ``token`` is its row. ``claims`` are the
    claims that the CLAIMS function added to the access token.
    """

    session: Session
    refresh: Token
    token: OutstandingToken
    event: Event
    pair: IssuedPair
    claims: Claims


def open_session(
    *, user: AbstractBaseUser, origin: Origin | None = None, **claims: object
) -> IssuedPair:
    """Open a session for a user whose password was just checked. Both tokens carry ``claims``.

    Raises `LoginSuperseded` if the account has changed since it was loaded, `FactorMissing` if
    STAFF_MFA requires a second factor that it lacks, ValueError for a claim that the portal sets
    itself, and `tokens.sessions.claims.ClaimsUnavailable`.
    """
    with acting_from(origin or current_origin()):
        return begin_session(user=user, claims=claims).pair


def begin_session(
    *, user: AbstractBaseUser, claims: Claims, token_class: TokenClass = STOCK_REFRESH
) -> Opening:
    """Do as `open_session` does, for a caller that needs the refresh token before it is signed.

    If the caller changes a claim, it calls `store_again`.
    """
    with transaction.atomic():
        account, cutoff, now = _lock_unchanged_account(user)
        require_of_staff(account)
        opening = plan_session(
            account=account, cutoff=cutoff, now=now, claims=claims, token_class=token_class
        )
        if connection.vendor == "postgresql":
            _issue.write_in_one_statement(opening)
        else:
            write_opening(opening)
        end_oldest_sessions(user=account)
    return opening


def plan_session(
    *,
    account: AbstractBaseUser,
    cutoff: datetime,
    now: datetime,
    claims: Claims,
    token_class: TokenClass = STOCK_REFRESH,
) -> Opening:
    """Make the rows of a new session and sign its first pair, without writing anything.

    A ``cutoff`` that was set while the database's clock was ahead may be later than ``now``. The
    session is opened after it, but lasts from ``now``.
    """
    session = Session(
        id=time_ordered_id(now),
        user_id=account.pk,
        username=name_of(account),
        password_mark=password_mark(account),
        created_at=max(now, cutoff),
        last_used_at=now,
        expires_at=now + session_lifetime(),
        **current_origin().columns,
    )
    refresh = new_refresh(
        user=account,
        sid=session.id,
        now=now,
        expires_at=session.expires_at,
        claims=claims,
        token_class=token_class,
    )
    signed, token = sign_for_storage(refresh=refresh, user=account, now=now)
    session.ends_at = token.expires_at
    event = audit.build_event(
        kind=Kind.LOGIN, at=now, actor=account, subject=account, session=session.id, jti=token.jti
    )
    fresh = session_claims(user=account, session=session)
    access = access_token(refresh=refresh, session=session, now=now, claims=fresh)
    return Opening(session, refresh, token, event, IssuedPair(session, signed, access), fresh)


def session_lifetime() -> timedelta:
    """Return how long a session lasts at most.

    A project that does not set SESSION_DAYS keeps the lifetime that its refresh tokens had.
    """
    lifetime = timedelta(days=app_settings.SESSION_DAYS)
    return lifetime if AppSettings.SESSION_DAYS.given else max(lifetime, refresh_lifetime())


def access_token(*, refresh: Token, session: Session, now: datetime, claims: Claims) -> str:
    """Sign the access token of a refresh token, with ``claims`` from the CLAIMS function."""
    access = new_access(
        refresh=refresh,
        sid=session.pk,
        opened=session.created_at,
        now=now,
        expires_at=session.expires_at,
        claims=claims,
    )
    return sign(access)


def store_again(opening: Opening) -> str:
    """Sign the first refresh token of a session again, after the caller has changed its claims.

    The stored row follows, so that what is stored is what was issued. The token still ends with
    its session at the latest.
    """
    refresh, session, row = opening.refresh, opening.session, opening.token
    end = int(session.expires_at.timestamp())
    refresh.payload["exp"] = min(refresh.payload["exp"], end)
    signed = sign(refresh)
    if redact(signed) == row.token:
        return signed
    row.jti, row.token = jti_of(refresh.payload), redact(signed)
    row.expires_at = datetime_claim(refresh.payload, "exp") or session.expires_at
    with transaction.atomic():
        row.save(update_fields=["jti", "token", "expires_at"])
        if row.expires_at != session.ends_at:
            session.ends_at = row.expires_at
            Session.objects.filter(pk=session.pk, current=row).update(ends_at=row.expires_at)
    return signed


def write_opening(opening: Opening) -> None:
    """Write the rows of a new session, one after another."""
    opening.token.save(force_insert=True)
    opening.session.current = opening.token
    opening.session.save(force_insert=True)
    SessionToken.objects.create(token=opening.token, session=opening.session)
    audit.write(opening.event)


def sign_for_storage(
    *, refresh: Token, user: AbstractBaseUser | None, now: datetime
) -> tuple[str, OutstandingToken]:
    """Sign a refresh token, and make the row that records it without its signature."""
    signed = sign(refresh)
    return signed, OutstandingToken(
        user=user,
        jti=jti_of(refresh.payload),
        token=redact(signed),
        created_at=now,
        expires_at=datetime_claim(refresh.payload, "exp"),
    )


def _lock_unchanged_account(user: AbstractBaseUser) -> tuple[AbstractBaseUser, datetime, datetime]:
    """Lock the account, read it again, and return it with the cutoff in force and the time.

    A revocation locks the same row. So a login commits before it, and is then ended by it, or
    starts after it, and never overlaps it.
    """
    locked = lock_account(key=user.pk)
    account = locked.user
    if account is None or not account.is_active or account.password != user.password:
        raise LoginSuperseded
    return account, locked.cutoff, locked.now
