"""Time pages in one process, without a network: run under one peer's settings with the number
of rounds as its argument and the table as JSON on standard input; prints JSON.

A page that answers anything but 200 has the status, negative, for its time.
"""

import base64
import json
import statistics
import sys
import time
from typing import Any
from urllib.parse import quote

import django


def main() -> None:
    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    operator = get_user_model().objects.create_superuser(
        f"operator{time.time_ns()}", password="x", email="operator@example.org"
    )
    client = Client(SERVER_NAME="127.0.0.1", raise_request_exception=False)
    client.force_login(operator)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # A page that takes this long has failed whatever it answers.
            cursor.execute("SET statement_timeout = '60s'")
    names = _names()
    took = {}
    for page, url in json.load(sys.stdin).items():
        address = url.format(**names)
        times = []
        for _ in range(int(sys.argv[1]) + 1):
            started = time.perf_counter()
            answer = client.get(address)
            answer.getvalue()
            times.append((time.perf_counter() - started) * 1000)
            if answer.status_code != 200 or times[-1] > 5000:
                break
        # The first fills caches of templates and of the database.
        took[page] = statistics.median(times[1:] or times)
        if answer.status_code != 200:
            took[page] = -float(answer.status_code)
    print(json.dumps(took))


def _names() -> dict[str, Any]:
    from django.apps import apps
    from django.contrib.auth import get_user_model

    outstanding = apps.get_model("token_blacklist", "OutstandingToken").objects
    newest = outstanding.order_by("-pk").values_list("pk", flat=True)[0]
    token = outstanding.select_related("user").filter(pk__lte=newest - 1).order_by("-pk")[0]
    names: dict[str, Any] = {
        "token": token.pk,
        "jti": token.jti,
        "user": token.user_id,
        "username": token.user.get_username(),
        "middle": newest // 200,
        "deep_token": _cursor(newest // 2),
    }
    heavy = get_user_model().objects.order_by("pk")[0]
    names |= {"heavy": heavy.pk, "heavy_name": heavy.get_username()}
    if apps.is_installed("tokens"):
        sessions, events = (apps.get_model("tokens", name).objects for name in ("Session", "Event"))
        session = sessions.get(memberships__token=token.pk)
        deep = sessions.get(memberships__token=newest // 2)
        event = events.get(pk=events.order_by("-pk").values_list("pk", flat=True)[0] // 2)
        names |= {
            "sid": session.pk,
            "ip": session.ip,
            "deep_session": _cursor(deep.last_used_at.isoformat(), deep.pk),
            "deep_event": _cursor(event.at.isoformat(), event.pk),
        }
    return {name: quote(str(value), safe="") for name, value in names.items()}


def _cursor(*key: object) -> str:
    """As tokens.selectors.paging writes it."""
    text = json.dumps(["older", *map(str, key)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


if __name__ == "__main__":
    main()
