"""Revoke everything of one user."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from tokens import audit
from tokens.listing.status import before_their_end, unended_foreign
from tokens.models import Kind, OutstandingToken, Session
from tokens.origin import Actor
from tokens.revocation.browsers import (
    cut_off_browsers,
    keep_acting_browser,
    may_have_browser_sessions,
)
from tokens.revocation.cutoffs import set_cutoff
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.reviews import require
from tokens.revocation.sessions import (
    Revocation,
    end_sessions,
    end_tokens,
    lock_sessions,
    lock_user,
)


def revoke_user(
    *,
    user: AbstractBaseUser,
    actor: Actor,
    reason: str,
    keep: Session | None = None,
    kind: Kind = Kind.REVOKE_USER,
) -> Revocation:
    """Revoke everything of a user, except for the session ``keep``.

    Browser sessions end too, except for the one in which the act is done; deactivation ends that
    as well. Without ``keep`` a cutoff is set, so that even a restored row is not accepted.

    A ``kind`` other than the default names a change of the account; its event is written even if
    the user had nothing left to end. Raises PermissionDenied for a superuser if the actor is staff
    without ``revoke_superuser``; a change of the account is not checked here.
    """
    if kind is Kind.REVOKE_USER:
        require(actor=actor, user=user)
    with transaction.atomic():
        lock_user(user=user)
        now = cutoff_instant(user=user)
        sessions = before_their_end(Session.objects.filter(user=user.pk))
        if keep is not None:
            sessions = sessions.exclude(pk=keep.pk)
        lock_sessions(sessions=sessions.filter(revoked_at=None))
        kept = {} if keep is None else {"kept": str(keep.pk)}
        ended = end_sessions(sessions=sessions, actor=actor, reason=reason)
        targets = ended.targets
        foreign = unended_foreign(OutstandingToken.objects.filter(user=user.pk))
        ended += end_tokens(tokens=foreign)
        browsers = may_have_browser_sessions(user=user)
        ended = Revocation(ended.tokens, ended.sessions, 1 if ended else 0, browsers)
        # A deleted account needs no cutoff, and the cutoff's row would have no user.
        if kind is not Kind.USER_DELETED:
            if keep is None:
                set_cutoff(user=user, not_before=now, actor=actor, reason=reason)
            else:
                cut_off_browsers(users=[user.pk], not_before=now)
        if kind is not Kind.USER_DEACTIVATED:
            keep_acting_browser(user=user, not_before=now)
        if ended or kind is not Kind.REVOKE_USER:
            audit.record_upon_many(
                kind=kind,
                targets=targets,
                actor=actor,
                subject=user,
                reason=reason,
                count=ended.tokens,
                data={"sessions": ended.sessions, **kept},
            )
        return ended
