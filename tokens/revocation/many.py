"""Ending everything that a selection holds, however much it is."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction

from tokens import audit
from tokens.models import Kind, OutstandingToken, Session
from tokens.revocation.ending import Revocation, end_sessions, end_tokens, hold_sessions, hold_users
from tokens.selectors.selection import Selection, selected_foreign_tokens, selected_sessions

BATCH = 1000
SAMPLE = 20


def revoke_matching(*, selection: Selection, actor: Any | None, reason: str) -> Revocation:
    """End all that ``selection`` holds, in batches that each commit with their own event: an
    interruption loses nothing, and running it again goes on."""
    batches = revoke_in_batches(selection=selection, actor=actor, reason=reason)
    return sum(batches, start=Revocation())


def revoke_in_batches(
    *, selection: Selection, actor: Any | None, reason: str, size: int = BATCH
) -> Iterator[Revocation]:
    """`revoke_matching` step by step, for whoever shows progress. A user whose sessions fall
    into two batches is counted in the first."""
    if selection.users:
        # A login of theirs that is in flight commits before the first batch looks for it.
        with transaction.atomic():
            hold_users(keys=[getattr(user, "pk", user) for user in selection.users])
    seen: set[Any] = {None}
    sessions = selected_sessions(selection=selection).order_by("pk")
    while batch := list(sessions.values_list("pk", "user_id")[:size]):
        owners = {owner for _pk, owner in batch} - seen
        seen |= owners
        keys = [pk for pk, _owner in batch]
        with transaction.atomic():
            chosen = Session.objects.filter(pk__in=keys)
            hold_sessions(sessions=chosen)
            ended = end_sessions(
                sessions=chosen,
                actor=actor,
                reason=reason,
                users=len(owners),
            )
            _record(ended, actor=actor, reason=reason, sample=keys[:SAMPLE])
        yield ended
    foreign = selected_foreign_tokens(selection=selection).order_by("pk")
    while strays := list(foreign.values_list("pk", "user_id")[:size]):
        owners = {owner for _pk, owner in strays} - seen
        seen |= owners
        with transaction.atomic():
            doomed = OutstandingToken.objects.filter(pk__in=[pk for pk, _owner in strays])
            ended = end_tokens(tokens=doomed, users=len(owners))
            _record(ended, actor=actor, reason=reason, sample=[])
        yield ended


def _record(ended: Revocation, *, actor: Any | None, reason: str, sample: list[UUID]) -> None:
    if ended:
        audit.record(
            kind=Kind.REVOKE_MATCHING,
            actor=actor,
            reason=reason,
            count=ended.tokens,
            data={
                "sessions": ended.sessions,
                "users": ended.users,
                "sample": [str(pk) for pk in sample],
            },
        )
