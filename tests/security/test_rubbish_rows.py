"""A role with rights on rows fills tables with rubbish: no page, call or command fails."""

import io
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from tests.security.test_odd_addresses import routes
from tests.support.rubbish import spoil
from tests.support.tokens import pair_of
from tokens.listing.browsers import browser_sessions
from tokens.models import (
    BrowserCutoff,
    BrowserSession,
    Cutoff,
    EventTarget,
    EventWindow,
    FeedEntry,
    LoginThrottle,
    Notice,
    NoticeLanguage,
    Refusal,
    RevocationJob,
    RevocationTarget,
    Rollup,
    SavedView,
    Service,
    SessionOrigin,
    TrailReader,
)
from tokens.services.registry import add_service

COMMANDS = {
    "revoke_tokens": {"resume": True},
    "seal_events": {"wait": 1},
    "purge_tokens": {},
    "purge_events": {"days": 1},
    "services": {"act": "list"},
    "deliver_events": {},
    "send_notices": {},
}


def rows(user: Any, session: Any) -> dict[str, models.Model]:
    """Return a row of each table as the portal writes it."""
    now = timezone.now()
    return {
        "job": RevocationJob(
            selection={"users": [str(user.pk)]}, actor=user, expected=1, people=1, created_at=now
        ),
        "target": RevocationTarget(job_id=1, number=1, session_id=session.pk),
        "view": SavedView(
            owner=user, list_name="sessions", name="view", filters={"q": "x"}, created_at=now
        ),
        "service": Service(name="service", digest="0" * 64, may_read_feed=True),
        "feed": FeedEntry(at=now, transaction=1, session_id=session.pk),
        "cutoff": Cutoff(user=user, not_before=now - timedelta(days=9), reason="x"),
        "browsers": BrowserCutoff(not_before=now - timedelta(days=9)),
        "browser": BrowserSession(
            user=user,
            opened_at=now,
            valid_from=now,
            last_used_at=now,
            ends_at=now + timedelta(hours=1),
        ),
        "throttle": LoginThrottle(key="0" * 64, resets_at=now),
        "refusal": Refusal(slot=1, request_id="request", at=now, check_name="expired", user=user),
        "origin": SessionOrigin(
            session=session, ip="10.0.0.1", first_seen_at=now, last_seen_at=now
        ),
        "rollup": Rollup(hour=now, kind="refresh", events=1, total=1),
        "reader": TrailReader(name="webhook"),
        "notice": Notice(user=user, events=[1], created_at=now),
        "language": NoticeLanguage(user=user, code="de"),
        "window": EventWindow(key="0" * 64),
        "event target": EventTarget(event_id=1, number=1, session_id=session.pk, user=user),
    }


NAMES = [
    "job", "target", "view", "service", "feed", "cutoff", "browsers", "throttle", "refusal",
    "origin", "rollup", "reader", "notice", "language", "window", "event target", "browser",
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_rubbish_in_a_table_is_not_a_server_error(client, sam, alice, name):
    session = pair_of(alice).session
    service = add_service(name="reader", may_introspect=True, may_read_feed=True, actor=None)
    assert spoil(rows(sam, session)[name])
    client.force_login(sam)
    client.raise_request_exception = False
    failed = []
    for route in routes():
        if "<" not in route and "(" not in route:
            answer = client.get(f"/{route}")
            failed += [f"/{route}"] * (answer.status_code >= 500)
    basic = b64encode(f"reader:{service.secret}".encode()).decode()
    for path, headers in (
        (f"/staff/users/{alice.pk}/", {}),
        (f"/staff/users/{sam.pk}/", {}),
        (f"/admin/auth/user/{sam.pk}/change/", {}),
        *((f"/account/sessions/{one.pk}/end/", {}) for one in browser_sessions(user=sam)),
        (f"/staff/sessions/{session.pk}/", {}),
        (f"/admin/tokens/session/{session.pk}/change/", {}),
        *((f"/staff/revoke/{job.pk}/", {}) for job in RevocationJob.objects.only("pk")),
        *((f"/staff/services/{one.pk}/rotate/", {}) for one in Service.objects.only("pk")),
        ("/staff/refusals/request/", {}),
        ("/api/revocations", {"Authorization": f"Basic {basic}"}),
        ("/api/staff/sessions", {"Authorization": f"Bearer {pair_of(sam).access}"}),
        ("/metrics", {}),
        ("/readyz", {}),
    ):
        answer = client.get(path, headers=headers)
        failed += [path] * (answer.status_code >= 500)
    for command, options in COMMANDS.items():
        try:
            call_command(command, stdout=io.StringIO(), stderr=io.StringIO(), **options)
        except (CommandError, SystemExit) as error:
            failed += [f"{command}: {error}"] * ("database failed" in str(error))
        except Exception as error:  # noqa: BLE001  (any other error is a traceback)
            failed.append(f"{command}: {error!r}")
    assert failed == []
