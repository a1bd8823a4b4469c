"""Ending everything that a selection holds, however much it is."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from tokens.revocation.batches import BATCH, end_batch, hold_selected_users
from tokens.revocation.ending import Revocation
from tokens.selectors.selection import Selection


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
    hold_selected_users(selection=selection)
    seen: set[Any] = set()
    after: UUID | None = None
    while step := end_batch(
        selection=selection, actor=actor, reason=reason, after=after, seen=seen, size=size
    ):
        after = step.after
        yield step.ended
