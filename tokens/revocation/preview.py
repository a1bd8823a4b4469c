"""What a revocation would end, counted before the click."""

import heapq
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from tokens.models import BlacklistedToken, Session
from tokens.selectors.selection import Selection, selected_foreign_tokens, selected_sessions

SAMPLE = 10
# A review counts so far: nobody decides otherwise for the second ten thousand.
CAP = 10_000


@dataclass(frozen=True, slots=True)
class Preview:
    """``last_access`` is the last instant at which an access token of these sessions could
    still be accepted by a service that checks tokens without asking us; None if there is none
    left. ``sample`` are the most recently used sessions. ``more`` says that the count stopped
    at its limit: there is more than the numbers say."""

    tokens: int
    sessions: int
    users: int
    last_access: datetime | None
    sample: tuple[Session, ...]
    more: bool = False


def preview(*, selection: Selection) -> Preview:
    """Count what `revoke_matching` with the same selection would end now, up to `CAP`
    sessions."""
    sessions = selected_sessions(selection=selection).order_by()
    used_up = Exists(BlacklistedToken.objects.filter(token=OuterRef("current_id")))
    # One look at the sessions, for some selections need all of them looked through.
    rows = list(
        sessions.annotate(used_up=used_up).values_list(
            "last_used_at", "pk", "user_id", "current_id", "used_up"
        )[: CAP + 1]
    )
    more, rows = len(rows) > CAP, rows[:CAP]
    # Among so many, the last used are soon met with.
    named = (
        sessions
        if more
        else Session.objects.filter(
            pk__in=[pk for _used, pk, *_rest in heapq.nlargest(SAMPLE, rows)]
        )
    )
    sample = tuple(named.select_related("user").order_by("-last_used_at")[:SAMPLE])
    foreign = selected_foreign_tokens(selection=selection).values("pk")[:CAP].count()
    return Preview(
        tokens=sum(1 for *_rest, current, spent in rows if current and not spent) + foreign,
        sessions=len(rows),
        users=len({user for _used, _pk, user, *_rest in rows} - {None}),
        last_access=_last_access(sample[0] if sample else None),
        sample=sample,
        more=more,
    )


def count_all(*, selection: Selection) -> Preview:
    """The same without a limit and without a sample: for what works through all of it."""
    used_up = Exists(BlacklistedToken.objects.filter(token=OuterRef("current_id")))
    counted = (
        selected_sessions(selection=selection)
        .order_by()
        .annotate(used_up=used_up)
        .aggregate(
            tokens=Count("pk", filter=Q(current__isnull=False, used_up=False)),
            sessions=Count("pk"),
            users=Count("user", distinct=True),
        )
    )
    foreign = selected_foreign_tokens(selection=selection).count()
    counted["tokens"] += foreign
    return Preview(**counted, last_access=None, sample=())


def _last_access(latest: Session | None) -> datetime | None:
    if latest is None:
        return None
    until: datetime = latest.last_used_at + settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    return until if until > timezone.now() else None
