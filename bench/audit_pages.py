"""Time the pages of the audit trail in one process, without a network.

Run it with DATABASE_URL set to a database of `bench.audit_fill`, and the number of rounds as
argument. It prints JSON: the median and the slowest time in milliseconds, by page.
"""

import json
import statistics
import sys
import time
from typing import Any
from urllib.parse import urlencode

import django

from bench.audit_fill import GATEWAY, SERVICE

STAFF, ADMIN = "/staff/events/", "/admin/tokens/event/"


def queries() -> dict[str, dict[str, Any]]:
    """Return the filters of the staff page by name.

    Half of them match few events, half match many, and the pairs have no common index.
    """
    from tokens.models import Event

    newest = Event.objects.order_by("-at", "-id")
    usual = newest.filter(kind="refresh", ip__startswith="10.")[1000]
    old = Event.objects.get(pk=newest[0].pk // 2)
    day = f"{old.at:%Y-%m-%d}"
    staff = newest.filter(kind="revoke_session")[0].actor_id
    return {
        "no filter": {},
        "time": {"after": f"{day}T00:00", "before": f"{day}T23:59"},
        "kind, most": {"kind": "refresh"},
        "kind, some": {"kind": "login_refused"},
        "kind, few": {"kind": "key_added"},
        "kind, none": {"kind": "purged"},
        "about an account": {"subject": usual.subject_name},
        "about a service": {"subject": f"#{SERVICE}"},
        "about names that begin alike": {"subject": "user1234"},
        "by an account": {"actor": f"#{usual.actor_id}"},
        "by staff": {"actor": f"#{staff}"},
        "session": {"session": usual.session_id},
        "token": {"jti": usual.jti},
        "address": {"ip": usual.ip},
        "address, a gateway": {"ip": GATEWAY},
        "kind and address": {"kind": "login_refused", "ip": usual.ip},
        "kind and gateway": {"kind": "reuse", "ip": GATEWAY},
        "few and gateway": {"kind": "key_added", "ip": GATEWAY},
        "none and gateway": {"kind": "purged", "ip": GATEWAY},
        "refreshes from a gateway": {"kind": "refresh", "ip": GATEWAY},
        "service and gateway": {"subject": f"#{SERVICE}", "ip": GATEWAY},
        "service, by staff": {"subject": f"#{SERVICE}", "actor": f"#{staff}"},
        "service and an address of others": {"subject": f"#{SERVICE}", "ip": "10.1.1.1"},
        "kind, gateway, time": {"kind": "reuse", "ip": GATEWAY, "after": f"{day}T00:00"},
        "all of them": {
            "kind": "refresh", "subject": usual.subject_name, "actor": usual.subject_name,
            "session": usual.session_id, "jti": usual.jti, "ip": usual.ip,
            "after": f"{day}T00:00",
        },
    }  # fmt: skip


def pages() -> dict[str, str]:
    from django.http import QueryDict

    from tokens.models import Event
    from tokens.staff.filters import EventForm

    middle = Event.objects.get(pk=Event.objects.order_by("-pk")[0].pk // 2)

    def deep(query: dict[str, Any]) -> str:
        listing = EventForm(QueryDict(urlencode(query))).query.listing()
        return listing.cursor("older", (middle.at, middle.pk))

    found = {}
    for name, query in queries().items():
        found[f"page: {name}"] = f"{STAFF}?{urlencode(query)}"
        found[f"page, deep: {name}"] = f"{STAFF}?{urlencode({**query, 'page': deep(query)})}"
    for name, query in {
        "no filter": {},
        "deep": {"cursor": deep({})},
        "kind": {"kind": "login_refused"},
        "past week": {"when": "week"},
        "user": {"user": "user1234"},
        "kind and gateway": {"kind": "reuse", "ip": GATEWAY},
        "search jti": {"q": middle.jti},
        "search session": {"q": middle.session_id},
        "search address": {"q": middle.ip},
        "search user": {"q": "user1234"},
        "search names that begin alike": {"q": "user12"},
    }.items():
        found[f"admin: {name}"] = f"{ADMIN}?{urlencode(query)}"
    found["overview"] = "/staff/"
    return found


def main(rounds: int) -> None:
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    call_command("collectstatic", interactive=False, verbosity=0)
    name = f"operator{time.time_ns()}"
    operator = get_user_model().objects.create_superuser(name, password="x", email="o@example.org")
    client = Client(SERVER_NAME="127.0.0.1", raise_request_exception=False)
    client.force_login(operator)
    took = {}
    for page, address in pages().items():
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            answer = client.get(address)
            answer.getvalue()
            times.append((time.perf_counter() - started) * 1000)
            if answer.status_code != 200:
                sys.exit(f"{page}: {answer.status_code}")
        took[page] = (statistics.median(times), max(times))
    print(json.dumps(took))


if __name__ == "__main__":
    main(int(sys.argv[1]))
