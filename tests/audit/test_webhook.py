"""A receiver that drops connections, answers 500 and is slow."""

import base64
import hashlib
import hmac
import random
import threading
import time
import uuid
from typing import Any

import jwt
import pytest

from tests.audit.events import ids
from tests.audit.hook import SECRET, Hook, arrived
from tokens.audit import record, webhook
from tokens.audit.caep import SESSION_REVOKED
from tokens.audit.post import Receiver, Undelivered
from tokens.models import Kind, TrailReader

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hook(settings):
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/hook"
        settings.WEBHOOK_SECRET = SECRET
        webhook.reader(from_start=True)
        yield server
        server.shutdown()


def deliver(settings, batch=3):
    """Until the trail is through, as a service would, without its pauses."""
    for _attempt in range(60):
        receiver = Receiver(settings.WEBHOOK_URL, timeout=0.3)
        try:
            list(webhook.deliver(receiver=receiver, wait=5, batch=batch))
        except Undelivered:
            continue
        else:
            return
        finally:
            receiver.close()
    raise AssertionError("never through")


def test_every_event_arrives_in_order_whatever_the_receiver_does(hook, settings):
    sessions = [uuid.uuid4() for _ in range(3)]
    for n in range(30):
        record(kind=Kind.REFRESH, session=sessions[n % 3], jti=str(n))
    moods = ["drop", "500", "slow", "taken but dropped", "redirect", "ok"]
    hook.moods = random.Random(5).choices(moods, k=25)
    deliver(settings)
    seen: dict[int, Any] = {}
    for event in arrived(hook):
        seen.setdefault(event["id"], event)
    assert sorted(seen) == ids()
    for session in sessions:
        order = [int(e["jti"]) for e in seen.values() if e["session_id"] == str(session)]
        assert order == sorted(order)


def test_what_arrives_is_signed(hook, settings):
    record(kind=Kind.LOGOUT)
    deliver(settings)
    headers, body = hook.bodies[0]
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{mac}"
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 60


def test_a_failure_is_written_down_and_pauses_grow(hook, settings):
    record(kind=Kind.LOGOUT)
    hook.moods = ["500"] * 3
    pauses = []
    for _ in range(3):
        receiver = Receiver(settings.WEBHOOK_URL)
        with pytest.raises(Undelivered):
            list(webhook.deliver(receiver=receiver))
        receiver.close()
        pauses.append(webhook.due_in(webhook.reader()))
    assert webhook.reader().failures == 3
    assert 0 < pauses[0] < pauses[2]
    deliver(settings)
    assert webhook.due_in(webhook.reader()) == 0


def test_two_do_not_deliver_at_once(hook, settings):
    record(kind=Kind.LOGOUT)
    TrailReader.objects.update(holder="another", leased_until="2999-01-01T00:00:00Z")
    with pytest.raises(webhook.Busy):
        list(webhook.deliver(receiver=Receiver(settings.WEBHOOK_URL)))
    assert hook.bodies == []


def test_the_lease_of_a_killed_one_runs_out(hook, settings):
    record(kind=Kind.LOGOUT)
    TrailReader.objects.update(holder="killed", leased_until="2020-01-01T00:00:00Z")
    deliver(settings)
    assert len(arrived(hook)) == 1


def test_a_new_receiver_begins_with_now(hook, settings):
    record(kind=Kind.LOGIN)
    TrailReader.objects.all().delete()
    webhook.reader()
    record(kind=Kind.LOGOUT)
    deliver(settings)
    assert [event["kind"] for event in arrived(hook)] == ["logout"]


def test_what_names_no_session_is_not_said_of_all_of_a_users(hook, settings, alice):
    """A browser's log-out, and a token of another service, end none of the user's sessions."""
    settings.WEBHOOK_FORMAT = "caep"
    record(kind=Kind.LOGOUT, subject=alice)
    record(kind=Kind.REVOKE_TOKEN, subject=alice, jti="a")
    record(kind=Kind.REVOKE_USER, subject=alice)
    deliver(settings)
    assert len(hook.bodies) == 1


def test_a_revocation_as_a_security_event_token(hook, settings, alice):
    settings.WEBHOOK_FORMAT = "caep"
    session = uuid.uuid4()
    record(kind=Kind.REFRESH, subject=alice, session=session)
    event = record(kind=Kind.REVOKE_SESSION, subject=alice, session=session, reason="lost phone")
    deliver(settings)
    ((headers, body),) = hook.bodies
    assert headers["Content-Type"] == "application/secevent+jwt"
    assert jwt.get_unverified_header(body)["typ"] == "secevent+jwt"
    claims = jwt.decode(body, SECRET, ["HS256"], audience=settings.WEBHOOK_URL)
    assert claims["jti"] == f"event-{event.pk}"
    assert claims["sub_id"]["session"] == {"format": "opaque", "id": str(session)}
    assert claims["sub_id"]["user"]["sub"] == str(alice.pk)
    assert claims["events"][SESSION_REVOKED]["initiating_entity"] == "admin"
