"""A session and its first pair of tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.models import Kind, OutstandingToken, Session, SessionToken
from tokens.origin import Origin, acting_from, current_origin
from tokens.selectors.standing import latest_cutoff, password_mark
from tokens.signing import Token, access_for, at_rest, instant, new_refresh, sign


class LoginSuperseded(Exception):
    """Between the password check and the session, the account was deactivated or deleted, or
    its password changed: the login no longer stands."""


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """``refresh`` and ``access`` are signed, in JWS compact form; this is the one moment at
    which they exist here."""

    session: Session
    refresh: str = field(repr=False)
    access: str = field(repr=False)


def open_session(*, user: Any, origin: Origin | None = None, **claims: Any) -> IssuedPair:
    """Open a session of ``user``, who has just proved who he is; ``claims`` go into both tokens.

    Raises `LoginSuperseded` where the account has changed since it was loaded, and ValueError
    for a claim that is the portal's own.
    """
    where = origin or current_origin()
    with acting_from(where), transaction.atomic():
        account = _hold(user)
        now = max(timezone.now(), latest_cutoff(user=account))
        session = Session(
            user=account,
            username=account.get_username()[:254],
            password_mark=password_mark(account),
            created_at=now,
            last_used_at=now,
            expires_at=now + timedelta(days=settings.SESSION_DAYS),
            ip=where.ip,
            user_agent=where.user_agent[:512],
            client=where.client[:100],
        )
        refresh = new_refresh(
            user=account, sid=session.id, expires_at=session.expires_at, claims=claims
        )
        signed, outstanding = store(refresh=refresh, user=account, now=now)
        session.current, session.ends_at = outstanding, outstanding.expires_at
        session.save(force_insert=True)
        SessionToken.objects.create(token=outstanding, session=session)
        audit.record(
            kind=Kind.LOGIN,
            actor=account,
            subject=account,
            session=session.id,
            jti=outstanding.jti,
        )
    access = access_for(refresh=refresh, expires_at=session.expires_at)
    return IssuedPair(session, signed, sign(access))


def store(*, refresh: Token, user: Any, now: datetime) -> tuple[str, OutstandingToken]:
    """Sign ``refresh`` and record it outstanding, without its signature."""
    signed = sign(refresh)
    outstanding = OutstandingToken.objects.create(
        user=user,
        jti=refresh["jti"],
        token=at_rest(signed),
        created_at=now,
        expires_at=instant(refresh.payload, "exp"),
    )
    return signed, outstanding


def _hold(user: Any) -> Any:
    """The account, its row locked against a revoke-all and read again under the lock: a login
    commits before a revocation (which then ends it too) or starts after it, never across."""
    account = get_user_model()._default_manager.select_for_update(no_key=True).filter(pk=user.pk)
    held = account.first()
    if held is None or not held.is_active or held.password != user.password:
        raise LoginSuperseded
    return held
