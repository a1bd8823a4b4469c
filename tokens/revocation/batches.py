"""One bounded step of ending many sessions: what every long revocation is made of."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from tokens import audit
from tokens.models import Kind, OutstandingToken, Session
from tokens.revocation.ending import Revocation, end_sessions, end_tokens, hold_sessions, hold_users
from tokens.selectors.selection import Selection, selected_foreign_tokens, selected_sessions

BATCH = 1000
SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch ended, and the session from which the next goes on."""

    ended: Revocation
    after: UUID | None


def hold_selected_users(*, selection: Selection) -> None:
    """A login of theirs that is in flight commits before the first batch looks for it."""
    if selection.users:
        with transaction.atomic():
            hold_users(keys=[getattr(user, "pk", user) for user in selection.users])


def end_batch(
    *,
    selection: Selection,
    actor: Any | None,
    reason: str,
    after: UUID | None = None,
    seen: set[Any] | None = None,
    size: int = BATCH,
    data: dict[str, Any] | None = None,
) -> Step | None:
    """End the next ``size`` sessions of ``selection``, then its tokens of other services, with
    an event in the same transaction; None when nothing is left. ``seen`` collects the users, so
    that each counts once; ``data`` goes into the event."""
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
    if not (strays := list(foreign.values_list("pk", "user_id")[:size])):
        return None
    users = _unseen(seen, strays)
    with transaction.atomic():
        doomed = OutstandingToken.objects.filter(pk__in=[pk for pk, _owner in strays])
        ended = end_tokens(tokens=doomed, users=users)
        _record(ended, actor=actor, reason=reason, data=data or {})
    return Step(ended, after)


def end_session_batch(
    *,
    selection: Selection,
    actor: Any | None,
    reason: str,
    after: UUID | None,
    seen: set[Any],
    size: int = BATCH,
    data: dict[str, Any] | None = None,
    silent: bool = False,
) -> Step | None:
    """`end_batch` for the sessions alone. ``silent`` where an event covers them already."""
    if not (rows := _next(selection, after, size)):
        return None
    users = _unseen(seen, rows)
    keys = [pk for pk, _owner in rows]
    with transaction.atomic():
        chosen = Session.objects.filter(pk__in=keys)
        hold_sessions(sessions=chosen)
        ended = end_sessions(sessions=chosen, actor=actor, reason=reason, users=users)
        if not silent:
            sample = [str(pk) for pk in keys[:SAMPLE]]
            _record(ended, actor=actor, reason=reason, data={"sample": sample} | (data or {}))
    return Step(ended, keys[-1])


def _next(selection: Selection, after: UUID | None, size: int) -> list[tuple[UUID, Any]]:
    """The next live sessions by key. A search from the last key on does not walk over what the
    batches before have ended; behind the last one, a second look finds what committed since."""
    live = selected_sessions(selection=selection).order_by("pk").values_list("pk", "user_id")
    if after is not None and (rows := list(live.filter(pk__gt=after)[:size])):
        return rows
    return list(live[:size])


def _unseen(seen: set[Any], rows: list[tuple[Any, Any]]) -> int:
    owners = {owner for _pk, owner in rows if owner is not None} - seen
    seen |= owners
    return len(owners)


def _record(ended: Revocation, *, actor: Any | None, reason: str, data: dict[str, Any]) -> None:
    if ended:
        audit.record(
            kind=Kind.REVOKE_MATCHING,
            actor=actor,
            reason=reason,
            count=ended.tokens,
            data={"sessions": ended.sessions, "users": ended.users, "sample": []} | data,
        )
