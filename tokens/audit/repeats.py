"""Write one event for many calls that anyone can repeat.

A refused call, or a retry of a refresh, changes nothing. Without a limit, a client could fill the
trail with them. The first one in a window is written, the others are counted, and the next event
records how many were left out.
"""

import hashlib
import json
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from tokens.audit.record import write
from tokens.db import clock
from tokens.models import Event, EventWindow, Kind
from tokens.models.lengths import HIGHEST_COUNT

WINDOW = timedelta(minutes=1)
# How far the clocks of two processes may be apart.
SKEW = timedelta(seconds=5)
# The member of `Event.data` with the number of events that were left out before.
LEFT_OUT = "left_out"


def write_bounded(event: Event, *, about: tuple[object, ...]) -> Event | None:
    """Write ``event``, unless one of its kind about the same was written within `WINDOW`.

    ``about`` names the subject, which must not be text that a client chooses. Returns None if the
    event was counted instead.
    """
    now = clock.now()
    key = hashlib.sha256(json.dumps([event.kind, *map(str, about)]).encode()).hexdigest()
    with transaction.atomic():
        windows = EventWindow.objects.filter(key=key)
        current = windows.filter(_opened_by_event_like(event), **_within(now))
        if current.update(left_out=F("left_out") + 1):
            return None
        window, opened = EventWindow.objects.select_for_update().get_or_create(
            key=key, defaults={"opened_at": event.at}
        )
        if not opened:
            # Another call may have opened the window since.
            if current.update(left_out=F("left_out") + 1):
                return None
            if window.left_out:
                event.data = {**event.data, LEFT_OUT: window.left_out}
            windows.update(opened_at=event.at, left_out=0)
        return write(event)


def _within(now: datetime) -> dict[str, object]:
    return {
        "opened_at__gt": now - WINDOW,
        "opened_at__lt": now + SKEW,
        "left_out__lt": HIGHEST_COUNT,
    }


def _opened_by_event_like(event: Event) -> Exists:
    """Require that the event which opened a window is in the trail.

    No seal covers a window. Without this, a role with rights on windows could keep all events
    of a kind out of the trail.
    """
    same: dict[str, object] = {"kind": event.kind, "at": OuterRef("opened_at")}
    for name in ("actor_id", "subject_id", "session_id"):
        value = getattr(event, name)
        same |= {f"{name}__isnull": True} if value is None else {name: value}
    # The second condition shows the database that the partial index of kinds applies.
    return Exists(Event.objects.filter(**same).exclude(kind=Kind.REFRESH))
