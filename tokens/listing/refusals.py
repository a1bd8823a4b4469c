"""Find a refused call by its request id."""

import re
from datetime import timedelta

from tokens.db import clock
from tokens.models import Refusal

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
KEPT = timedelta(days=1)


def find_refusal(request_id: str) -> Refusal | None:
    """Return the refused call with this request id; None if it is too old, or was not refused."""
    if not REQUEST_ID.fullmatch(request_id):
        return None
    recent = Refusal.objects.filter(request_id=request_id, at__gt=clock.now() - KEPT)
    return recent.select_related("user").order_by("-at").first()
