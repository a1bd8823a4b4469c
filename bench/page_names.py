"""Look up the values for the placeholders of `bench.pages_table`.

They come from the tables of the peer that is set up, and are quoted for a URL.
"""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

from bench.fill.rows import OFFICE


def names() -> dict[str, str]:
    users = get_user_model().objects
    outstanding = apps.get_model("token_blacklist", "OutstandingToken").objects
    newest = outstanding.order_by("-pk").values_list("pk", flat=True)[0]
    # A recent token of a session that is neither an office's nor a heavy user's.
    token = outstanding.select_related("user").filter(pk__lte=newest - 1).order_by("-pk")[0]
    username = token.user.get_username()
    heavy = users.order_by("pk")[0]
    last_user = users.order_by("-pk").values_list("pk", flat=True)[0]
    now = timezone.now()
    found: dict[str, Any] = {
        "token": token.pk,
        "jti": token.jti,
        "jti_start": token.jti[:10],
        "user": token.user_id,
        "username": username,
        "name_start": username[:-1],
        "email": token.user.email,
        "heavy": heavy.pk,
        "heavy_name": heavy.get_username(),
        "office": OFFICE,
        "middle": newest // 200,
        # Count rows instead of computing keys, which may have gaps and begin anywhere.
        "middle_user": max(1, users.count() // 200),
        "deep_token": cursor(newest // 2),
        "deep_user": cursor(last_user // 2),
        "deep_name": cursor(users.order_by("username")[users.count() // 2].get_username()),
        "now": now.isoformat(),
        "yesterday": (now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"),
        "last_week": (now - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M"),
    }
    if apps.is_installed("tokens"):
        found |= _ours(token.pk, newest // 2)
    return {name: quote(str(value), safe="") for name, value in found.items()}


def _ours(token: int, middle: int) -> dict[str, Any]:
    sessions, events = (apps.get_model("tokens", name).objects for name in ("Session", "Event"))
    session = sessions.get(memberships__token=token)
    # A sequence may have gaps, and need not begin with one.
    deep = sessions.filter(memberships__token__gte=middle).order_by("memberships__token")[0]
    half = events.order_by("-pk").values_list("pk", flat=True)[0] // 2
    event = events.filter(pk__gte=half).order_by("pk")[0]
    return {
        "sid": session.pk,
        "ip": session.ip,
        "event": event.pk,
        "deep_session": cursor(deep.last_used_at.isoformat(), deep.pk),
        "deep_event": cursor(event.at.isoformat(), event.pk),
    }


def cursor(*key: object) -> str:
    """Encode a cursor as `tokens.listing.pagination` does."""
    text = json.dumps(["older", *map(str, key)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
