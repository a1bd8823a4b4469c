"""Decide what an actor may revoke. Every page, the admin, the API and the jobs ask here.

`CUT_OFF` is needed for whatever reaches everybody, and `REVOKE_SUPERUSER` for superusers. The
system (actor None) and users who end their own sessions need neither.
"""

from dataclasses import replace

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q

from tokens.listing.selection import Selection, selected_foreign_tokens, selected_sessions
from tokens.listing.users import superusers
from tokens.models import OutstandingToken, Session
from tokens.origin import Actor, may
from tokens.revocation.browsers import browser_users
from tokens.revocation.preview import Preview, count_all
from tokens.validation.legacy import transition_over

REVOKE = "tokens.revoke_token"
CUT_OFF = "tokens.add_cutoff"
REVOKE_SUPERUSER = "tokens.revoke_superuser"
# The reason of a user's own act. The trail keeps it, so it is not translated.
BY_OWNER = "ended by its owner"
# Naming this many rows is a choice of these rows, even if no one else is logged in.
FEW = 25


def reaches_everybody(*, selection: Selection, found: Preview) -> bool:
    """Return whether a selection leaves out no live session, apart from those opened later.

    ``found`` is its preview. How it is spelled makes no difference. A few named rows, and the
    sessions of one user, are never everybody's.
    """
    unfiltered = selection.matching is not None and selection.matching.everything_live
    if selection.everything or (unfiltered and not selection.named):
        return True
    if selection.empty or 0 < selection.named <= FEW:
        return False
    spans = selection.matching is not None and selection.matching.spans_everything
    if not spans and not _of_several(selection, found) and not _all_without_sessions(selection):
        return False
    sessions = count_all(selection=selection).sessions if found.more else found.sessions
    all_live = Selection(everybody=True, spare_superusers=selection.spare_superusers)
    live = selected_sessions(selection=all_live).order_by().values("pk")
    return live[: sessions + 1].count() <= sessions


def _of_several(selection: Selection, found: Preview) -> bool:
    """Return whether a selection holds sessions of more than one user."""
    if found.users < 2 or found.tokens == found.sessions:
        return found.users > 1
    users = selected_sessions(selection=selection).order_by().exclude(user=None)
    return users.values("user").distinct()[:2].count() > 1


def _all_without_sessions(selection: Selection) -> bool:
    """Return whether nothing is left out of what has no row in the table of sessions.

    These are the legacy tokens of several users, and the browser sessions of named users.
    """
    everybody = Selection(everybody=True, spare_superusers=selection.spare_superusers)
    if selection.whole_users:
        return not browser_users(selection=everybody).exclude(pk__in=selection.users).exists()
    if transition_over():
        return False
    chosen = selected_foreign_tokens(selection=selection)
    if chosen.order_by().values("user").distinct()[:2].count() < 2:
        return False
    count = chosen.count()
    return selected_foreign_tokens(selection=everybody).values("pk")[: count + 1].count() <= count


def missing_permission(*, actor: Actor, selection: Selection, found: Preview) -> str:
    """Return the permission that ``actor`` lacks to revoke ``selection``, or an empty text."""
    if _spares(actor) and _is_superusers(selection, actor):
        return REVOKE_SUPERUSER
    everybody = not _may(actor, CUT_OFF) and reaches_everybody(selection=selection, found=found)
    return CUT_OFF if everybody else ""


def within_authority(*, actor: Actor, selection: Selection) -> Selection:
    """Return the part of ``selection`` that ``actor`` may revoke.

    Without `REVOKE_SUPERUSER`, the sessions of superusers are left out.
    """
    own = _only_own(selection, actor)
    return replace(selection, spare_superusers=True) if _spares(actor) and not own else selection


def may_revoke(*, actor: Actor, user: AbstractBaseUser | None) -> bool:
    """Return whether ``actor`` may revoke sessions of ``user``, as far as superusers go."""
    if user is None or actor is None or actor.pk == user.pk:
        return True
    return not getattr(user, "is_superuser", False) or not _spares(actor)


def require(*, actor: Actor, user: AbstractBaseUser | None) -> None:
    """Raise PermissionDenied unless `may_revoke`."""
    if not may_revoke(actor=actor, user=user):
        raise PermissionDenied


def _may(actor: Actor, permission: str) -> bool:
    return actor is None or may(actor, permission)


def _spares(actor: Actor) -> bool:
    return not _may(actor, REVOKE_SUPERUSER)


def _only_own(selection: Selection, actor: Actor) -> bool:
    """Return whether the selection names the actor alone."""
    return actor is not None and selection.users == (actor.pk,) and selection.named == 1


def _is_superusers(selection: Selection, actor: Actor) -> bool:
    """Return whether the selection names one thing, and that is another superuser's."""
    if selection.named != 1 or selection.matching is not None:
        return False
    owners: object
    if selection.users:
        owners = selection.users
    elif selection.sessions:
        owners = Session.objects.filter(pk=selection.sessions[0]).values("user_id")
    else:
        owners = OutstandingToken.objects.filter(jti=selection.jtis[0]).values("user_id")
    others = superusers().filter(Q(pk__in=owners))
    return others.exclude(pk=actor.pk if actor is not None else None).exists()
