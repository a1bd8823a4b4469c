"""Issue tokens and ask for their state: shared by the tests of a token's life."""

from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.support.clock import travel
from tokens.jwt.signing import read, sign, stored_refresh
from tokens.listing.status import with_token_status
from tokens.models import Event, Kind, OutstandingToken
from tokens.sessions.issue import IssuedPair, open_session
from tokens.sessions.refresh import rotate
from tokens.validation.validator import TokenRejected, validate


@contextmanager
def later(**delta: float):
    """Everything inside the block happens that much later."""
    with travel(timezone.now() + timedelta(**delta)):
        yield


def pair_of(user: Any, **claims: Any) -> IssuedPair:
    return open_session(user=user, **claims)


def failed(token: str) -> str | None:
    """Return the first check that the token fails, or None."""
    return validate(token=token).failed


def refused(token: str) -> bool:
    """Return True if a refresh with the token is refused; otherwise the token is rotated."""
    try:
        rotate(refresh=token)
    except TokenRejected:
        return True
    return False


def jti(token: str) -> str:
    return str(read(token)["jti"])


def status_of(token: str) -> str:
    found = with_token_status(OutstandingToken.objects.filter(jti=jti(token)))
    return str(found.values_list("status", flat=True).get())


def kinds() -> list[Kind]:
    """Return the audit trail, oldest first."""
    return [Kind(kind) for kind in Event.objects.order_by("pk").values_list("kind", flat=True)]


def signed_again(token: str, **claims: object) -> str:
    """Return the token with other claims and a valid signature."""
    changed = stored_refresh(text=token)
    changed.payload |= claims
    return sign(changed)
