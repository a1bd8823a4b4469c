"""What the tests of a token's life share."""

from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from tokens.issuing import IssuedPair, open_session
from tokens.models import Event, Kind, OutstandingToken
from tokens.rotation import rotate
from tokens.selectors.status import with_token_status
from tokens.signing import read
from tokens.verdict import Refused, explain


@contextmanager
def later(**delta: float):
    """Everything inside the block happens that much later."""
    with time_machine.travel(timezone.now() + timedelta(**delta), tick=True):
        yield


def pair_of(user: Any, **claims: Any) -> IssuedPair:
    return open_session(user=user, **claims)


def failed(token: str) -> str | None:
    """The first check that the token fails, or None."""
    return explain(token=token).failed


def refused(token: str) -> bool:
    """Whether a refresh with the token is refused; it rotates otherwise."""
    try:
        rotate(refresh=token)
    except Refused:
        return True
    return False


def jti(token: str) -> str:
    return str(read(token)["jti"])


def status_of(token: str) -> str:
    found = with_token_status(OutstandingToken.objects.filter(jti=jti(token)))
    return str(found.values_list("status", flat=True).get())


def kinds() -> list[Kind]:
    """What the audit trail holds, oldest first."""
    return [Kind(kind) for kind in Event.objects.order_by("pk").values_list("kind", flat=True)]
