"""Instants before which every token is dead."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from tokens import audit
from tokens.audit.record import name_of
from tokens.models import Cutoff, Kind, Session
from tokens.revocation.ending import Revocation, end_sessions, hold_sessions, hold_user
from tokens.selectors.status import live

BATCH = 1000


def cut_off(
    *, user: Any | None = None, not_before: datetime, actor: Any | None, reason: str
) -> Revocation:
    """Kill every token of a session opened before ``not_before``: of ``user``, or of everybody.

    It holds from the commit of one row on, whatever the number of sessions; they are settled
    one batch after another behind it. An instant in the future counts as now: it would refuse
    logins that have not happened yet. Raises ValueError for a naive datetime.
    """
    if timezone.is_naive(not_before):
        raise ValueError("not_before must be an aware datetime")
    with transaction.atomic():
        if user is not None:
            hold_user(user=user)
        not_before = min(not_before, timezone.now())
        set_cutoff(user=user, not_before=not_before, actor=actor, reason=reason)
        doomed = _doomed(user=user, not_before=not_before)
        audit.record(
            kind=Kind.CUTOFF,
            actor=actor,
            subject=user,
            reason=reason,
            count=doomed.count(),
            data={"not_before": not_before.isoformat(), "everybody": user is None},
        )
    return settle(user=user, not_before=not_before, actor=actor, reason=reason)


def settle(*, user: Any | None, not_before: datetime, actor: Any | None, reason: str) -> Revocation:
    """Write into the sessions and simplejwt's blacklist what a cut-off has already ended, so
    that other services on the same tables see it too. Safe to interrupt and to run again."""
    total = Revocation()
    seen: set[Any] = {None}
    doomed = _doomed(user=user, not_before=not_before).order_by("pk")
    while batch := list(doomed.values_list("pk", "user_id")[:BATCH]):
        keys = [pk for pk, _owner in batch]
        owners = {owner for _pk, owner in batch} - seen
        seen |= owners
        with transaction.atomic():
            chosen = Session.objects.filter(pk__in=keys)
            hold_sessions(sessions=chosen)
            total += end_sessions(
                sessions=chosen,
                actor=actor,
                reason=reason,
                users=len(owners),
            )
    return total


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


def _doomed(*, user: Any | None, not_before: datetime) -> Any:
    doomed = live(Session.objects.filter(created_at__lt=not_before))
    return doomed.filter(user=user) if user is not None else doomed
