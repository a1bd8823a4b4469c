"""Show the signing keys of the ring. `manage.py signing_keys` changes them."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tokens.jwt.keys import in_database
from tokens.keyring.acts import last_token_expires, may_sign_from
from tokens.models import SigningKey
from tokens.models.signing_key import KeyState
from tokens.permissions import VIEW_KEYS
from tokens.staff.guards import staff_may


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a key, since when it has been in its state, and when it can pass on to the next."""

    key: SigningKey
    since: datetime | None
    until: datetime | None


@require_GET
@staff_may(VIEW_KEYS)
def index(request: HttpRequest) -> HttpResponse:
    keys = SigningKey.objects.defer("protected").order_by("-pk") if in_database() else []
    context = {"rows": [_row(key) for key in keys], "in_database": in_database()}
    return render(request, "tokens/staff/keys.html", context)


def _row(key: SigningKey) -> Row:
    match key.state:
        case KeyState.UPCOMING:
            return Row(key, key.added_at, may_sign_from(key))
        case KeyState.SIGNING:
            return Row(key, key.signing_at, None)
        case KeyState.VERIFYING:
            return Row(key, key.verifying_at, last_token_expires(key))
        case _:
            return Row(key, key.retired_at, None)
