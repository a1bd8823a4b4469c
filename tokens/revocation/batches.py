"""Revoke one batch of many sessions. Every long revocation is a sequence of batches."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from tokens import audit
from tokens.audit.targets import Target
from tokens.listing.search import UserKey
from tokens.listing.selection import (
    Selection,
    issued_before,
    selected_foreign_tokens,
    selected_sessions,
    unended_sessions,
)
from tokens.listing.status import unended_foreign
from tokens.models import Kind, OutstandingToken, Session
from tokens.origin import Actor
from tokens.revocation.sessions import (
    Revocation,
    end_sessions,
    end_tokens,
    lock_sessions,
    lock_users,
)
from tokens.revocation.targets import Targets

BATCH = 1000
SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold what one batch ended, and the key of its last session, where the next one starts."""

    ended: Revocation
    after: UUID | None


def lock_selected_users(*, selection: Selection) -> None:
    """Wait for logins of the selected users that are in flight.

    The first batch then sees the sessions that they open.
    """
    if keys := selection.user_keys:
        with transaction.atomic():
            lock_users(keys=list(keys))


def end_batch(
    *,
    selection: Selection,
    actor: Actor,
    reason: str,
    after: UUID | None = None,
    seen: set[UserKey] | None = None,
    size: int = BATCH,
    data: dict[str, object] | None = None,
) -> Batch | None:
    """End the next ``size`` sessions of ``selection``.

    When there are none left, end its tokens that belong to no session. The event commits in the
    same transaction.

    ``seen`` collects the users, so that each of them counts once. ``data`` is added to the event.
    Returns None when nothing is left.
    """
    seen = set() if seen is None else seen
    step = end_session_batch(
        selection=selection,
        actor=actor,
        reason=reason,
        after=after,
        seen=seen,
        size=size,
        data=data,
    )
    if step is not None:
        return step
    foreign = selected_foreign_tokens(selection=selection).order_by("pk")
    if not (rows := list(foreign.values_list("pk", "user_id")[:size])):
        return None
    users = _count_new(seen, [owner for _pk, owner in rows])
    with transaction.atomic():
        tokens = OutstandingToken.objects.filter(pk__in=[pk for pk, _owner in rows])
        ended = end_tokens(tokens=tokens, users=users)
        owners: list[Target] = [(None, owner) for _pk, owner in rows if owner is not None]
        _record(ended, owners, actor=actor, reason=reason, data=data or {})
    return Batch(ended, after)


def end_targets(
    *,
    targets: Targets,
    spare_superusers: bool,
    actor: Actor,
    reason: str,
    seen: set[UserKey] | None = None,
    data: dict[str, object] | None = None,
) -> Revocation:
    """End those of ``targets`` that are still live, in one transaction.

    A token that was refreshed since they were listed ends with the session that it has now.
    """
    size = len(targets.sessions) + len(targets.jtis)
    selection = Selection(
        jtis=targets.jtis, sessions=targets.sessions, spare_superusers=spare_superusers
    )
    seen, ended = set() if seen is None else seen, Revocation()
    with transaction.atomic():
        # The refresh of a legacy token holds the lock of its user until it has a session.
        lock_users(keys=targets.owners)
        while step := end_batch(
            selection=selection, actor=actor, reason=reason, seen=seen, size=size, data=data
        ):
            ended += step.ended
    return ended


def end_session_batch(
    *,
    selection: Selection,
    actor: Actor,
    reason: str,
    after: UUID | None,
    seen: set[UserKey],
    size: int = BATCH,
    data: dict[str, object] | None = None,
    cut_off: bool = False,
    cutoff_event: int | None = None,
) -> Batch | None:
    """Do `end_batch` for the sessions alone.

    With ``cut_off``, a cutoff has made the sessions unusable already, and they are marked as
    ended. ``cutoff_event`` is the event of the cutoff if it doesn't list the sessions: the batch
    then writes an event that does.
    """
    if not (rows := _next(selection, after, size, cut_off=cut_off)):
        return None
    users = _count_new(seen, [owner for _pk, owner in rows])
    keys = [pk for pk, _owner in rows]
    with transaction.atomic():
        sessions = Session.objects.filter(pk__in=keys)
        lock_sessions(sessions=sessions)
        ended = end_sessions(sessions=sessions, actor=actor, reason=reason, users=users)
        if cutoff_event is not None and ended:
            _record_cut_off(ended, ended.targets, actor=actor, reason=reason, cutoff=cutoff_event)
        if not cut_off:
            sample: dict[str, object] = {"sample": [str(pk) for pk in keys[:SAMPLE]]}
            data = sample | (data or {})
            _record(ended, ended.targets, actor=actor, reason=reason, data=data)
    return Batch(ended, keys[-1])


def end_foreign_batch(
    *,
    user: AbstractBaseUser | None,
    not_before: datetime,
    actor: Actor,
    reason: str,
    size: int = BATCH,
    cutoff_event: int | None = None,
) -> Revocation | None:
    """Blacklist the next tokens without a session that a cutoff of ``user``, or of all, ends.

    The cutoff has made them unusable already. ``cutoff_event`` is its event if that doesn't list
    their users: the batch then writes an event that does. Returns None when nothing is left.
    """
    foreign = foreign_before(user=user, not_before=not_before).order_by("pk")
    if not (keys := dict(foreign.values_list("pk", "user_id")[:size])):
        return None
    owners: list[Target] = [(None, owner) for owner in set(keys.values()) if owner is not None]
    with transaction.atomic():
        tokens = OutstandingToken.objects.filter(pk__in=keys)
        ended = end_tokens(tokens=tokens, users=len(owners))
        if cutoff_event is not None and ended:
            _record_cut_off(ended, owners, actor=actor, reason=reason, cutoff=cutoff_event)
    return ended


def foreign_before(
    *, user: AbstractBaseUser | None, not_before: datetime
) -> "QuerySet[OutstandingToken]":
    """Return the tokens without a session that a cutoff of ``user``, or of all, ends."""
    foreign = OutstandingToken.objects.filter(issued_before(not_before))
    return unended_foreign(foreign if user is None else foreign.filter(user=user.pk))


def _next(
    selection: Selection, after: UUID | None, size: int, *, cut_off: bool
) -> Sequence[tuple[UUID, UserKey | None]]:
    """Return the next sessions in the order of their keys, with their users.

    Starting after the last key skips the sessions that earlier batches ended. When none is left
    there, a search from the start finds sessions that were committed since.
    """
    chosen = unended_sessions if cut_off else selected_sessions
    rows = chosen(selection=selection).order_by("pk").values_list("pk", "user_id")
    if after is not None and (found := list(rows.filter(pk__gt=after)[:size])):
        return found
    return list(rows[:size])


def _count_new(seen: set[UserKey], owners: Collection[UserKey | None]) -> int:
    """Add ``owners`` to ``seen`` and return how many of them are new."""
    new = {owner for owner in owners if owner is not None} - seen
    seen |= new
    return len(new)


def _record(
    ended: Revocation,
    targets: Iterable[Target],
    *,
    actor: Actor,
    reason: str,
    data: dict[str, object],
) -> None:
    if ended:
        audit.record_upon_many(
            kind=Kind.REVOKE_MATCHING,
            targets=targets,
            actor=actor,
            reason=reason,
            count=ended.tokens,
            data={"sessions": ended.sessions, "users": ended.users, "sample": []} | data,
        )


def _record_cut_off(
    ended: Revocation, targets: Iterable[Target], *, actor: Actor, reason: str, cutoff: int
) -> None:
    audit.record_upon_many(
        kind=Kind.CUTOFF_SETTLED,
        targets=targets,
        actor=actor,
        reason=reason,
        count=ended.sessions or ended.tokens,
        data={"cutoff": cutoff},
    )
