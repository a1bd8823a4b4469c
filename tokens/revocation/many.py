"""Revoke everything that a selection holds, in batches."""

from collections.abc import Iterator
from uuid import UUID

from tokens.listing.search import UserKey
from tokens.listing.selection import Selection
from tokens.origin import Actor
from tokens.revocation.batches import BATCH, end_batch, end_targets, lock_selected_users
from tokens.revocation.browsers import end_browsers
from tokens.revocation.reviews import within_authority
from tokens.revocation.sessions import Revocation
from tokens.revocation.targets import targets_in_memory


def revoke_matching(*, selection: Selection, actor: Actor, reason: str) -> Revocation:
    """End everything that ``selection`` holds.

    Each batch commits with its own event, so an interruption loses nothing and another run
    continues. Superusers are spared where the actor may not revoke them.
    """
    batches = revoke_in_batches(selection=selection, actor=actor, reason=reason)
    return sum(batches, start=Revocation())


def revoke_in_batches(
    *, selection: Selection, actor: Actor, reason: str, size: int = BATCH
) -> Iterator[Revocation]:
    """Do `revoke_matching` batch by batch, for a caller that shows progress.

    A filter is evaluated once, before the first batch. A user whose sessions are in two batches is
    counted in the first.
    """
    selection = within_authority(actor=actor, selection=selection)
    lock_selected_users(selection=selection)
    if ended := end_browsers(selection=selection, actor=actor, reason=reason):
        yield ended
    seen: set[UserKey] = set()
    after: UUID | None = None
    data: dict[str, object] = {"filter": selection.for_trail()}
    if selection.matching is not None:
        for targets in targets_in_memory(selection=selection, size=size):
            yield end_targets(
                targets=targets,
                spare_superusers=selection.spare_superusers,
                actor=actor,
                reason=reason,
                seen=seen,
                data=data,
            )
        return
    while step := end_batch(
        selection=selection,
        actor=actor,
        reason=reason,
        after=after,
        seen=seen,
        size=size,
        data=data,
    ):
        after = step.after
        yield step.ended
