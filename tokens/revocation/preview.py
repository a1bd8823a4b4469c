"""What a revocation would end, counted before the click."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils import timezone

from tokens.models import Session
from tokens.selectors.selection import Selection, selected_foreign_tokens, selected_sessions

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """``last_access`` is the last instant at which an access token of these sessions could
    still be accepted by a service that checks tokens without asking us; None if there is none
    left. ``sample`` are the most recently used sessions."""

    tokens: int
    sessions: int
    users: int
    last_access: datetime | None
    sample: tuple[Session, ...]


def preview(*, selection: Selection) -> Preview:
    """Count what `revoke_matching` with the same selection would end now."""
    sessions = Session.objects.filter(pk__in=selected_sessions(selection=selection).values("pk"))
    counted = sessions.aggregate(
        tokens=Count("pk", filter=Q(current__isnull=False, current__blacklistedtoken=None)),
        sessions=Count("pk"),
        users=Count("user", distinct=True),
        used=Max("last_used_at"),
    )
    foreign = selected_foreign_tokens(selection=selection).count()
    last_access = None
    if counted["used"] is not None:
        last_access = counted["used"] + settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
        if last_access <= timezone.now():
            last_access = None
    return Preview(
        tokens=counted["tokens"] + foreign,
        sessions=counted["sessions"],
        users=counted["users"],
        last_access=last_access,
        sample=tuple(sessions.select_related("user").order_by("-last_used_at")[:SAMPLE]),
    )
