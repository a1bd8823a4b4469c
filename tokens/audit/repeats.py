"""Write one event for many calls that anyone can repeat.

A refused call, or a retry of a refresh, changes nothing. Without a limit, a client could fill the
trail with them. The first one in a window is written, the others are counted, and the next event
records how many were left out.
"""

import hashlib
import json
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from tokens.audit.record import write
from tokens.db import clock
from tokens.models import Event, EventWindow

WINDOW = timedelta(minutes=1)
# The member of `Event.data` with the number of events that were left out before.
LEFT_OUT = "left_out"


def write_bounded(event: Event, *, about: tuple[object, ...]) -> Event | None:
    """Write ``event``, unless one of its kind about the same was written within `WINDOW`.

    ``about`` names the subject, which must not be text that a client chooses. Returns None if the
    event was counted instead.
    """
    now = clock.now()
    key = hashlib.sha256(json.dumps([event.kind, *map(str, about)]).encode()).hexdigest()
    begun = now - WINDOW
    with transaction.atomic():
        windows = EventWindow.objects.filter(key=key)
        if windows.filter(opened_at__gt=begun).update(left_out=F("left_out") + 1):
            return None
        defaults = {"opened_at": now}
        window, opened = EventWindow.objects.select_for_update().get_or_create(
            key=key, defaults=defaults
        )
        if not opened and window.opened_at > begun:
            # Another call has opened the window since.
            windows.update(left_out=F("left_out") + 1)
            return None
        if not opened:
            if window.left_out:
                event.data = {**event.data, LEFT_OUT: window.left_out}
            windows.update(opened_at=now, left_out=0)
        return write(event)
