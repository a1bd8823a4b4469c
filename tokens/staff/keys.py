"""Show the signing keys of the ring. `manage.py signing_keys` changes them."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens.jwt.keys import in_database, key_ring
from tokens.keyring.acts import last_token_expires, may_sign_from
from tokens.keyring.counts import live_sessions_by_key
from tokens.listing.estimates import Estimate
from tokens.models import SigningKey
from tokens.models.signing_key import KeyState
from tokens.permissions import VIEW_KEYS
from tokens.staff.guards import staff_may


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a key, since when it has been in its state, and when it can pass on to the next.

    ``sessions`` is the number of live sessions that retiring it now would end. ``unusable`` says
    that this process could not load the key.
    """

    key: SigningKey
    since: datetime | None
    until: datetime | None
    sessions: Estimate
    unusable: bool


@require_GET
@staff_may(VIEW_KEYS)
def index(request: HttpRequest) -> HttpResponse:
    rows = _rows() if in_database() else []
    context = {"rows": rows, "in_database": in_database()}
    return render(request, "tokens/staff/keys.html", context)


def _rows() -> list[Row]:
    keys = list(SigningKey.objects.defer("protected").order_by("-pk"))
    sessions = live_sessions_by_key(keys) if keys else {}
    unusable = key_ring().unusable
    return [Row(key, *_dates(key), sessions[key.kid], key.kid in unusable) for key in keys]


def _dates(key: SigningKey) -> tuple[datetime | None, datetime | None]:
    match key.state:
        case KeyState.UPCOMING:
            return key.added_at, may_sign_from(key)
        case KeyState.SIGNING:
            return key.signing_at, None
        case KeyState.VERIFYING:
            return key.verifying_at, last_token_expires(key)
        case _:
            return key.retired_at, None
