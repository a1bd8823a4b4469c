"""Set cutoffs: instants before which every token of a user, or of everybody, is invalid."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.audit.record import clean_text, name_of
from tokens.audit.targets import Target
from tokens.listing.search import UserKey
from tokens.listing.selection import Selection, unended_sessions
from tokens.models import Cutoff, Kind
from tokens.models.lengths import REASON_LENGTH
from tokens.origin import Actor
from tokens.revocation.batches import end_foreign_batch, end_session_batch, foreign_before
from tokens.revocation.browsers import (
    keep_acting_browser,
    may_have_browser_sessions,
)
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.many import revoke_matching
from tokens.revocation.reviews import may_end_browsers, require, within_authority
from tokens.revocation.sessions import Revocation, lock_user
from tokens.validation.legacy import transition_over

# The event of a cutoff for everybody lists this many sessions at most.
LISTED = 1000


@dataclass(frozen=True, slots=True)
class Declared:
    """Hold the instant of a cutoff, and its event if that doesn't list the sessions yet.

    ``browsers`` says that it may have ended browser sessions.
    """

    not_before: datetime
    browsers: bool
    incomplete_event: int | None


def cut_off(
    *,
    user: AbstractBaseUser | None = None,
    not_before: datetime | None = None,
    actor: Actor,
    reason: str,
) -> Revocation:
    """Revoke every session opened before ``not_before``, or by now, of ``user`` or of everybody.

    The tokens are invalid as soon as the cutoff's row is committed; the sessions are then marked
    in batches. An instant in the future counts as now, because it would refuse logins that have
    not happened yet. Raises ValueError for a naive datetime.

    Superusers are spared where the actor may not revoke them. No cutoff does that, so the sessions
    then end in batches. A superuser who is named raises PermissionDenied.
    """
    if user is not None:
        require(actor=actor, user=user)
    everybody = within_authority(actor=actor, selection=Selection(everybody=True))
    if user is None and everybody.spare_superusers:
        selection = replace(everybody, issued_before=cutoff_instant(wanted=not_before))
        return revoke_matching(selection=selection, actor=actor, reason=reason)
    cutoff = declare(user=user, not_before=not_before, actor=actor, reason=reason)
    ended = settle(
        user=user,
        not_before=cutoff.not_before,
        actor=actor,
        reason=reason,
        event=cutoff.incomplete_event,
    )
    return ended + Revocation(browsers=cutoff.browsers)


def declare(
    *, user: AbstractBaseUser | None, not_before: datetime | None, actor: Actor, reason: str
) -> Declared:
    """Write the cutoff and its event, which makes the tokens invalid and ends browser sessions.

    The event of one user's cutoff lists all of their sessions. A cutoff for everybody has to take
    effect at once, so its event lists them only if there are at most `LISTED`. Otherwise `settle`,
    which also does the rest, lists them.
    """
    if not_before is not None and timezone.is_naive(not_before):
        raise ValueError("not_before must be an aware datetime")
    with transaction.atomic():
        if user is not None:
            lock_user(user=user)
        not_before = cutoff_instant(user=user, wanted=not_before)
        if user is None:
            browsers = may_end_browsers(selection=before(user=None, not_before=not_before))
        else:
            browsers = may_have_browser_sessions(user=user)
        written = set_cutoff(user=user, not_before=not_before, actor=actor, reason=reason)
        keep_acting_browser(user=user, not_before=not_before)
        ended = unended_sessions(selection=before(user=user, not_before=not_before))
        count = ended.order_by().count()
        owners = _owners_of_foreign(not_before) if user is None else []
        complete = user is not None or max(count, len(owners)) <= LISTED
        event = audit.record_upon_many(
            kind=Kind.CUTOFF,
            targets=[*ended.values_list("pk", "user_id"), *owners] if complete else (),
            actor=actor,
            subject=user,
            reason=reason,
            count=count,
            data={"not_before": not_before.isoformat(), "everybody": user is None},
        )
    return Declared(not_before, browsers and written, None if complete else event.pk)


def _owners_of_foreign(not_before: datetime) -> list[Target]:
    """Return the users whose tokens without a session a cutoff for everybody ends.

    Returns one more than `LISTED` at most.
    """
    if transition_over():
        return []
    foreign = foreign_before(user=None, not_before=not_before).exclude(user=None)
    owners = foreign.order_by().values_list("user_id", flat=True).distinct()
    return [(None, owner) for owner in owners[: LISTED + 1]]


def settle(
    *,
    user: AbstractBaseUser | None,
    not_before: datetime,
    actor: Actor,
    reason: str,
    event: int | None = None,
) -> Revocation:
    """Mark the sessions that a cutoff has ended as revoked, and blacklist their tokens.

    Other services on the same tables see the cutoff only then. It can be interrupted and repeated.
    ``event`` is the event of the cutoff if it doesn't list the sessions: each batch then writes
    one that does.
    """
    total, after = Revocation(), None
    seen: set[UserKey] = set()
    ended = before(user=user, not_before=not_before)
    while batch := end_session_batch(
        selection=ended,
        actor=actor,
        reason=reason,
        after=after,
        seen=seen,
        cut_off=True,
        cutoff_event=event,
    ):
        total, after = total + batch.ended, batch.after
    if not transition_over():
        while (
            ended_now := end_foreign_batch(
                user=user, not_before=not_before, actor=actor, reason=reason, cutoff_event=event
            )
        ) is not None:
            total += ended_now
    return total


def before(*, user: AbstractBaseUser | None, not_before: datetime) -> Selection:
    """Select the sessions that a cutoff ends."""
    if user is None:
        return Selection(everybody=True, issued_before=not_before)
    return Selection(users=(user.pk,), issued_before=not_before)


def set_cutoff(
    *, user: AbstractBaseUser | None, not_before: datetime, actor: Actor, reason: str
) -> bool:
    """Write the cutoff's row, unless there is a cutoff as late or later. Return True if written."""
    user_id = user.pk if user is not None else None
    if Cutoff.objects.filter(user=user_id, not_before__gte=not_before).exists():
        return False
    Cutoff.objects.create(
        user_id=user_id,
        not_before=not_before,
        actor_id=actor.pk if actor is not None else None,
        actor_name=name_of(actor),
        reason=clean_text(reason, REASON_LENGTH),
    )
    return True
