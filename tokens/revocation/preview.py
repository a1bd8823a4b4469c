"""Count what a revocation would end, and record who looked at the review."""

import heapq
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q

from tokens import audit
from tokens.db import clock
from tokens.jwt.signing import access_lifetime
from tokens.listing.selection import Selection, selected_foreign_tokens, selected_sessions
from tokens.listing.users import superusers
from tokens.models import Kind, Session
from tokens.origin import Actor, may
from tokens.revocation.browsers import may_end_browsers

SAMPLE = 10
# A review counts up to this many sessions. A larger number would change no decision.
CAP = 10_000
# A job revokes more than this many sessions, so that the request doesn't wait for them.
LONG = 1000
# Above this many sessions, the number must be typed, so that one click can't revoke too many.
TYPED_ABOVE = 25
VIEW_SESSIONS = "tokens.view_session"


@dataclass(frozen=True, slots=True)
class Preview:
    """Hold the numbers that a review shows.

    ``last_used_at`` is the last use of any of these sessions. ``sample`` holds the most recently
    used ones. ``more`` says that the count stopped at `CAP`, ``spares_superusers``
    that the selection leaves out sessions of superusers, and ``browsers`` that browser sessions,
    which are not counted, may end too.
    """

    tokens: int
    sessions: int
    users: int
    last_used_at: datetime | None
    sample: tuple[Session, ...]
    more: bool = False
    spares_superusers: bool = False
    browsers: bool = False

    def __bool__(self) -> bool:
        return bool(self.sessions or self.tokens or self.browsers)

    @property
    def last_access(self) -> datetime | None:
        """Return until when a service that verifies tokens by itself may accept an access token.

        None if that instant has passed.
        """
        if self.last_used_at is None:
            return None
        until = self.last_used_at + access_lifetime()
        return until if until > clock.now() else None


def preview(*, selection: Selection) -> Preview:
    """Count what `revoke_matching` would end now, up to `CAP` sessions.

    Each live session has one token that ends with it.
    """
    sessions = selected_sessions(selection=selection).order_by()
    # One query reads the sessions; some selections have to look through all of them.
    rows = list(sessions.values_list("last_used_at", "pk", "user_id")[: CAP + 1])
    more, rows = len(rows) > CAP, rows[:CAP]
    newest = [pk for _used, pk, _user in heapq.nlargest(SAMPLE, rows, key=lambda row: row[:2])]
    # Among so many sessions, the most recently used ones are found quickly.
    named = sessions if more else Session.objects.filter(pk__in=newest)
    sample = tuple(named.select_related("user").order_by("-last_used_at")[:SAMPLE])
    foreign = selected_foreign_tokens(selection=selection).order_by()
    owners = list(foreign.values_list("user_id", flat=True)[:CAP])
    return Preview(
        tokens=len(rows) + len(owners),
        sessions=len(rows),
        users=len({*owners, *(user for _used, _pk, user in rows)} - {None}),
        last_used_at=sample[0].last_used_at if sample else None,
        sample=sample,
        more=more,
        spares_superusers=_spares_superusers(selection),
        browsers=selection.whole_users
        and (bool(rows or owners) or may_end_browsers(selection=selection)),
    )


def review(*, selection: Selection, actor: Actor, found: Preview) -> Preview:
    """Return as much of a preview as ``actor`` may see, and record who looked.

    ``found`` is the preview of ``selection``. Names and devices need `VIEW_SESSIONS`; without it
    only the counts are shown.
    """
    audit.record(
        kind=Kind.CLAIMS_VIEWED,
        actor=actor,
        session=selection.sessions[0] if len(selection.sessions) == 1 else None,
        jti=selection.jtis[0] if len(selection.jtis) == 1 else "",
        count=found.sessions,
        data={"review": selection.as_json()},
    )
    return found if may_see_rows(actor) else replace(found, sample=())


def may_see_rows(actor: Actor) -> bool:
    """Return whether ``actor`` may see whose sessions they are."""
    return actor is None or may(actor, VIEW_SESSIONS)


def count_all(*, selection: Selection) -> Preview:
    """Count without a limit and without a sample, for a caller that works through everything."""
    sessions = selected_sessions(selection=selection).order_by()
    foreign = selected_foreign_tokens(selection=selection).order_by()
    counted = sessions.aggregate(sessions=Count("pk"), users=Count("user", distinct=True))
    tokens = counted["sessions"]
    if without_session := foreign.count():
        tokens += without_session
        owners = foreign.exclude(user=None).values_list("user_id", flat=True)
        of_sessions = sessions.exclude(user=None).values_list("user_id", flat=True)
        counted["users"] = of_sessions.union(owners).count()
    return Preview(**counted, tokens=tokens, last_used_at=None, sample=())


def _spares_superusers(selection: Selection) -> bool:
    """Return whether the selection would hold sessions of superusers if it did not spare them."""
    if not selection.spare_superusers:
        return False
    unspared = selected_sessions(selection=replace(selection, spare_superusers=False))
    return unspared.filter(Q(user__in=superusers())).order_by().exists()
