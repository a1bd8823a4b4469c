"""Ending one token, one session, or all of one user."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.models import Kind, OutstandingToken, Session
from tokens.revocation.cutoffs import set_cutoff
from tokens.revocation.ending import (
    Revocation,
    end_sessions,
    end_tokens,
    hold_sessions,
    hold_user,
)
from tokens.selectors.selection import Selection, selected_foreign_tokens


def revoke_token(*, jti: str, actor: Any | None, reason: str) -> Revocation:
    """End the token, and with it the session that it belongs to: the chain has no other end.
    An unknown jti ends nothing."""
    token = (
        OutstandingToken.objects.select_related("user", "membership__session__user")
        .filter(jti=jti)
        .first()
    )
    if token is None:
        return Revocation()
    membership = getattr(token, "membership", None)
    if membership is not None:
        return revoke_session(
            session=membership.session,
            actor=actor,
            reason=reason,
            kind=Kind.REVOKE_TOKEN,
            jti=jti,
        )
    with transaction.atomic():
        ended = end_tokens(tokens=OutstandingToken.objects.filter(pk=token.pk))
        if ended:
            audit.record(
                kind=Kind.REVOKE_TOKEN, actor=actor, subject=token.user, jti=jti, reason=reason
            )
        return ended


def revoke_session(
    *,
    session: Session,
    actor: Any | None,
    reason: str,
    kind: Kind = Kind.REVOKE_SESSION,
    jti: str = "",
) -> Revocation:
    """End one session. ``kind`` and ``jti`` name the act in the trail: a log-out, a reuse, the
    token that staff chose."""
    with transaction.atomic():
        chosen = Session.objects.filter(pk=session.pk)
        hold_sessions(sessions=chosen)
        ended = end_sessions(sessions=chosen, actor=actor, reason=reason)
        if ended:
            audit.record(
                kind=kind,
                actor=actor,
                subject=session.user,
                subject_name=session.username,
                session=session.pk,
                jti=jti,
                reason=reason,
                count=ended.tokens,
            )
        return ended


def revoke_user(
    *,
    user: Any,
    actor: Any | None,
    reason: str,
    keep: Session | None = None,
    kind: Kind = Kind.REVOKE_USER,
) -> Revocation:
    """End all that ``user`` holds, except the session ``keep``. Without ``keep`` a cut-off is
    set too, so that not even a restored row opens anything again. ``kind`` names what befell
    the account, and is then written down whether or not anything was left to end."""
    with transaction.atomic():
        hold_user(user=user)
        now = timezone.now()
        sessions = Session.objects.filter(user=user, expires_at__gt=now)
        if keep is not None:
            sessions = sessions.exclude(pk=keep.pk)
        hold_sessions(sessions=sessions.filter(revoked_at=None))
        ended = end_sessions(sessions=sessions, actor=actor, reason=reason)
        foreign = selected_foreign_tokens(selection=Selection(users=(user.pk,)))
        ended += end_tokens(tokens=foreign)
        ended = Revocation(ended.tokens, ended.sessions, 1 if ended else 0)
        # A deleted account needs none, and the row would hang from nothing.
        if keep is None and kind is not Kind.USER_DELETED:
            set_cutoff(user=user, not_before=now, actor=actor, reason=reason)
        if ended or kind is not Kind.REVOKE_USER:
            audit.record(
                kind=kind,
                actor=actor,
                subject=user,
                reason=reason,
                count=ended.tokens,
                data={"sessions": ended.sessions} | ({"kept": str(keep.pk)} if keep else {}),
            )
        return ended
