"""Instants before which every token is dead."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.audit.record import name_of
from tokens.models import Cutoff, Kind
from tokens.revocation.batches import end_session_batch
from tokens.revocation.ending import Revocation, hold_user
from tokens.selectors.selection import Selection, selected_sessions


def cut_off(
    *, user: Any | None = None, not_before: datetime, actor: Any | None, reason: str
) -> Revocation:
    """Kill every token of a session opened before ``not_before``: of ``user``, or of everybody.

    It holds from the commit of one row on, whatever the number of sessions; they are settled
    one batch after another behind it. An instant in the future counts as now: it would refuse
    logins that have not happened yet. Raises ValueError for a naive datetime.
    """
    not_before = declare(user=user, not_before=not_before, actor=actor, reason=reason)
    return settle(user=user, not_before=not_before, actor=actor, reason=reason)


def declare(*, user: Any | None, not_before: datetime, actor: Any | None, reason: str) -> datetime:
    """The cut-off's row and its event, which is all that it needs to hold. Returns the instant
    from which it does; `settle` does the rest."""
    if timezone.is_naive(not_before):
        raise ValueError("not_before must be an aware datetime")
    with transaction.atomic():
        if user is not None:
            hold_user(user=user)
        not_before = min(not_before, timezone.now())
        set_cutoff(user=user, not_before=not_before, actor=actor, reason=reason)
        doomed = selected_sessions(selection=before(user=user, not_before=not_before))
        audit.record(
            kind=Kind.CUTOFF,
            actor=actor,
            subject=user,
            reason=reason,
            count=doomed.count(),
            data={"not_before": not_before.isoformat(), "everybody": user is None},
        )
    return not_before


def settle(*, user: Any | None, not_before: datetime, actor: Any | None, reason: str) -> Revocation:
    """Write into the sessions and simplejwt's blacklist what a cut-off has already ended, so
    that other services on the same tables see it too. Safe to interrupt and to run again."""
    total, after = Revocation(), None
    seen: set[Any] = set()
    doomed = before(user=user, not_before=not_before)
    while step := end_session_batch(
        selection=doomed, actor=actor, reason=reason, after=after, seen=seen, silent=True
    ):
        total, after = total + step.ended, step.after
    return total


def before(*, user: Any | None, not_before: datetime) -> Selection:
    """What a cut-off ends, as a selection."""
    if user is None:
        return Selection(everybody=True, issued_before=not_before)
    return Selection(users=(user.pk,), issued_before=not_before)


def set_cutoff(*, user: Any | None, not_before: datetime, actor: Any | None, reason: str) -> None:
    """Add the row, unless one that reaches as far stands already."""
    if Cutoff.objects.filter(user=user, not_before__gte=not_before).exists():
        return
    Cutoff.objects.create(
        user=user,
        not_before=not_before,
        actor=actor,
        actor_name=name_of(actor),
        reason=reason[:500],
    )
