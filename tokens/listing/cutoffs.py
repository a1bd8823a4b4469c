"""Find the cutoffs that ended sessions."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from tokens.models import Cutoff, Session


def cutoffs_over(*, sids: Collection[UUID]) -> dict[UUID, Cutoff]:
    """Return the latest cutoff that each of these sessions was opened before, by their ids."""
    latest = Cutoff.objects.order_by("-not_before").values("pk")
    ended = Session.objects.filter(pk__in=sids).annotate(
        own=Subquery(latest.filter(Q(user=OuterRef("user")))[:1]),
        general=Subquery(latest.filter(user=None)[:1]),
    )
    rows = list(ended.values_list("pk", "created_at", "own", "general")) if sids else []
    cutoffs = Cutoff.objects.in_bulk({pk for row in rows for pk in row[2:] if pk is not None})
    found = {}
    for sid, created_at, *keys in rows:
        over = [cutoffs[pk] for pk in keys if pk in cutoffs]
        over = [cutoff for cutoff in over if cutoff.not_before > created_at]
        if over:
            found[sid] = max(over, key=lambda cutoff: cutoff.not_before)
    return found
