"""Deliver to a receiver that drops connections, answers 500 and is slow."""

import base64
import hashlib
import hmac
import random
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from tests.audit.events import ids
from tests.audit.hook import POLL, SECRET, Hook, arrived
from tokens.audit import record
from tokens.audit.delivery import lease, webhook
from tokens.audit.delivery.caep import SESSION_REVOKED
from tokens.audit.delivery.http import Receiver, Undelivered
from tokens.audit.delivery.lease import Busy
from tokens.models import Event, Kind, TrailReader
from tokens.origin import Origin, acting_from
from tokens.revocation import Selection, cut_off, cutoffs, revoke_matching, revoke_user
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hook(settings):
    with Hook() as server:
        threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
        settings.WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/hook"
        settings.WEBHOOK_SECRET = SECRET
        webhook.reader(from_start=True)
        yield server
        server.shutdown()


def deliver(settings, batch=3, timeout=30.0):
    """Deliver the whole trail, as a service would, without its pauses."""
    for _attempt in range(60):
        receiver = Receiver(settings.WEBHOOK_URL, timeout=timeout)
        try:
            list(webhook.deliver(receiver=receiver, wait=5, batch=batch))
        except Undelivered:
            continue
        else:
            return
        finally:
            receiver.close()
    raise AssertionError("never through")


@pytest.mark.parametrize("shape", ["", "caep"])
def test_position_is_stored_once_for_each_delivery(hook, settings, monkeypatch, shape):
    settings.WEBHOOK_FORMAT = shape or settings.WEBHOOK_FORMAT
    stored, store = [], webhook._store

    def noted(lease, reached):
        stored.append(reached)
        store(lease, reached)

    monkeypatch.setattr(webhook, "_store", noted)
    record(kind=Kind.REVOKE_SESSION, session=uuid.uuid4())
    deliver(settings)
    record(kind=Kind.REFRESH, session=uuid.uuid4())
    deliver(settings)
    assert [at.last_id for at in stored] == ids()


def test_every_event_arrives_in_order_after_failures(hook, settings):
    sessions = [uuid.uuid4() for _ in range(3)]
    for n in range(30):
        record(kind=Kind.REFRESH, session=sessions[n % 3], jti=str(n))
    moods = ["drop", "500", "slow", "taken but dropped", "redirect", "ok"]
    hook.moods = random.Random(5).choices(moods, k=25)
    deliver(settings, timeout=hook.slowness / 2)
    seen: dict[int, Any] = {}
    for event in arrived(hook):
        seen.setdefault(event["id"], event)
    assert sorted(seen) == ids()
    for session in sessions:
        order = [int(e["jti"]) for e in seen.values() if e["session_id"] == str(session)]
        assert order == sorted(order)


def test_delivery_is_signed(hook, settings):
    record(kind=Kind.LOGOUT)
    deliver(settings)
    headers, body = hook.bodies[0]
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{mac}"
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 60


@pytest.mark.parametrize("shape", ["events", "caep"])
def test_trace_of_the_request_is_passed_on(hook, settings, shape):
    settings.WEBHOOK_FORMAT = shape
    traces = [f"00-{number:032x}-00f067aa0ba902b7-01" for number in (1, 2)]
    for trace in (*traces, traces[0], "", "x\r\nForged: y"):
        with acting_from(Origin(traceparent=trace)):
            record(kind=Kind.REVOKE_SESSION, session=uuid.uuid4())
    deliver(settings, batch=1)
    sent = [headers.get("traceparent") for headers, _body in hook.bodies]
    assert sent == [*traces, traces[0], None, None]


def test_delivery_of_several_traces_names_none(hook, settings):
    for number in (1, 2):
        with acting_from(Origin(traceparent=f"00-{number:032x}-00f067aa0ba902b7-01")):
            record(kind=Kind.LOGIN)
    deliver(settings, batch=2)
    ((headers, _body),) = hook.bodies
    assert "traceparent" not in headers
    assert [event["data"]["traceparent"][:35] for event in arrived(hook)] == [
        f"00-{number:032x}" for number in (1, 2)
    ]


def test_failure_is_stored_and_pauses_grow(hook, settings):
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


def test_second_process_does_not_deliver(hook, settings):
    record(kind=Kind.LOGOUT)
    TrailReader.objects.update(holder="another", leased_until="2999-01-01T00:00:00Z")
    with pytest.raises(Busy):
        list(webhook.deliver(receiver=Receiver(settings.WEBHOOK_URL)))
    assert hook.bodies == []


def test_lease_of_a_killed_process_expires(hook, settings):
    record(kind=Kind.LOGOUT)
    TrailReader.objects.update(holder="killed", leased_until="2020-01-01T00:00:00Z")
    deliver(settings)
    assert len(arrived(hook)) == 1


@pytest.mark.parametrize("form", ["events", "caep"])
def test_two_followers_send_nothing_twice_however_long_a_request_takes(
    form, hook, settings, alice, monkeypatch
):
    """Each request takes three times as long as a lease that is not renewed."""
    monkeypatch.setattr(lease, "SECONDS", 0.4)
    settings.WEBHOOK_FORMAT = form
    for _ in range(3):
        open_session(user=alice)
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=None, reason="leak")
    hook.moods, hook.slowness = ["slow"] * 3, 1.2
    busy, done = [], threading.Event()

    def follow():
        receiver = Receiver(settings.WEBHOOK_URL)
        try:
            while not done.is_set():
                try:
                    list(webhook.deliver(receiver=receiver, wait=5, batch=3))
                except Busy:
                    busy.append(1)
                else:
                    done.set()
                done.wait(0.05)
        finally:
            receiver.close()
            connections.close_all()

    followers = [threading.Thread(target=follow) for _ in range(2)]
    for follower in followers:
        follower.start()
    for follower in followers:
        follower.join(timeout=30)
    assert len(busy) >= 10
    if form == "events":
        assert [event["id"] for event in arrived(hook)] == ids()
    else:
        jtis = [claims["jti"] for claims in sent_tokens(hook, settings)]
        assert len(jtis) == len(set(jtis)) == 3


def test_process_that_lost_its_lease_sends_no_more(hook, settings, alice):
    settings.WEBHOOK_FORMAT = "caep"
    for _ in range(3):
        open_session(user=alice)
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=None, reason="leak")
    first = webhook.deliver(receiver=Receiver(settings.WEBHOOK_URL), batch=1)
    next(step for step in first if step.events)
    TrailReader.objects.update(holder="another", leased_until="2999-01-01T00:00:00Z")
    with pytest.raises(Busy):
        list(first)
    held = TrailReader.objects.get()
    assert (held.holder, held.targets) == ("another", 1)
    assert len(hook.bodies) <= 2


def test_lease_lasts_a_minute_by_the_clock_of_the_database(hook, settings, monkeypatch):
    """A host whose clock is an hour ahead takes no lease over."""
    ahead = timezone.now() + timedelta(hours=1)
    with lease.leased(webhook.READER):
        until = TrailReader.objects.values_list("leased_until", flat=True).get()
        assert until is not None
        left = until - timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: ahead)
        with pytest.raises(Busy):
            list(webhook.deliver(receiver=Receiver(settings.WEBHOOK_URL)))
    assert 50 < left.total_seconds() < 61
    assert TrailReader.objects.get().holder == ""


def test_new_receiver_starts_with_the_next_event(hook, settings):
    record(kind=Kind.LOGIN)
    TrailReader.objects.all().delete()
    webhook.reader()
    record(kind=Kind.LOGOUT)
    deliver(settings)
    assert [event["kind"] for event in arrived(hook)] == ["logout"]


def test_event_without_a_session_does_not_end_all_sessions(hook, settings, alice):
    """Logging out of a browser and a token of another service end no session of the user."""
    settings.WEBHOOK_FORMAT = "caep"
    record(kind=Kind.LOGOUT, subject=alice)
    record(kind=Kind.REVOKE_TOKEN, subject=alice, jti="a")
    record(kind=Kind.REVOKE_USER, subject=alice)
    deliver(settings)
    assert len(hook.bodies) == 1


def test_revocation_is_sent_as_a_security_event_token(hook, settings, alice):
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


def test_log_out_everywhere_else_is_sent_for_each_session_that_ended(hook, settings, alice):
    settings.WEBHOOK_FORMAT = "caep"
    here, *others = [open_session(user=alice).session for _ in range(3)]
    revoke_user(user=alice, actor=alice, reason="elsewhere", keep=here)
    deliver(settings)
    sent = [
        jwt.decode(body, SECRET, ["HS256"], audience=settings.WEBHOOK_URL)
        for _headers, body in hook.bodies
    ]
    sessions = {claims["sub_id"]["session"]["id"] for claims in sent}
    assert sessions == {str(session.pk) for session in others}
    assert len({claims["jti"] for claims in sent}) == 2
    assert {claims["events"][SESSION_REVOKED]["initiating_entity"] for claims in sent} == {"user"}


def sent_tokens(hook, settings):
    return [
        jwt.decode(body, SECRET, ["HS256"], audience=settings.WEBHOOK_URL)
        for _headers, body in hook.bodies
    ]


def subjects(claims):
    return (claims["sub_id"]["session"]["id"], claims["sub_id"]["user"]["sub"])


MANY = {
    "bulk revocation": lambda users: revoke_matching(
        selection=Selection(users=tuple(user.pk for user in users)), actor=None, reason="leak"
    ),
    "cutoff": lambda users: cut_off(not_before=timezone.now(), actor=None, reason="leak"),
    "cutoff of a user": lambda users: [
        cut_off(user=user, not_before=timezone.now(), actor=None, reason="leak") for user in users
    ],
}


@pytest.mark.parametrize("listed", [1000, 1])
@pytest.mark.parametrize("name", MANY)
def test_act_upon_many_is_sent_for_each_session_that_it_ended(
    name, listed, hook, settings, alice, bob, monkeypatch
):
    monkeypatch.setattr(cutoffs, "LISTED", listed)
    settings.WEBHOOK_FORMAT = "caep"
    ended = [open_session(user=user).session for user in (alice, alice, bob)]
    MANY[name]((alice, bob))
    open_session(user=bob)
    hook.moods = ["500", "ok", "taken but dropped", "slow"]
    deliver(settings, batch=2)
    tokens = sent_tokens(hook, settings)
    expected = {(str(session.pk), str(session.user_id)) for session in ended}
    assert {subjects(claims) for claims in tokens} == expected
    assert len({claims["jti"] for claims in tokens}) == 3
    first = min(Event.objects.filter(kind__in=ENDING), key=lambda event: event.pk)
    stamps = {claims["events"][SESSION_REVOKED]["event_timestamp"] for claims in tokens}
    assert min(stamps) == int(first.at.timestamp())


ENDING = (Kind.REVOKE_MATCHING, Kind.CUTOFF)


def test_session_that_was_acknowledged_is_not_sent_again(hook, settings, alice):
    settings.WEBHOOK_FORMAT = "caep"
    for _ in range(7):
        open_session(user=alice)
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=None, reason="leak")
    hook.moods = ["ok", "ok", "500", "ok", "drop", "ok", "500", "500"]
    deliver(settings, batch=3)
    sessions = [subjects(claims)[0] for claims in sent_tokens(hook, settings)]
    assert len(sessions) == len(set(sessions)) == 7


def test_killed_delivery_goes_on_within_an_act_upon_many(hook, settings, alice):
    settings.WEBHOOK_FORMAT = "caep"
    for _ in range(10):
        open_session(user=alice)
    revoke_matching(selection=Selection(users=(alice.pk,)), actor=None, reason="leak")
    first = webhook.deliver(receiver=Receiver(settings.WEBHOOK_URL), batch=4)
    next(step for step in first if step.events)
    assert TrailReader.objects.get().targets == 4
    # A process that is killed leaves its lease behind.
    TrailReader.objects.update(holder="killed", leased_until="2020-01-01T00:00:00Z")
    deliver(settings, batch=4)
    sessions = [subjects(claims)[0] for claims in sent_tokens(hook, settings)]
    assert len(sessions) == len(set(sessions)) == 10
    assert webhook.reader().targets == 0


def test_cutoff_that_ended_nothing_is_not_sent(hook, settings, alice):
    """A session that was opened after the instant of the cutoff stays."""
    settings.WEBHOOK_FORMAT = "caep"
    before = timezone.now()
    open_session(user=alice)
    cut_off(user=alice, not_before=before, actor=None, reason="x")
    deliver(settings)
    assert hook.bodies == []


def test_from_start_is_refused_once_the_receiver_has_a_part(hook):
    record(kind=Kind.LOGIN)
    call_command("deliver_events", from_start=True)
    with pytest.raises(CommandError, match=r"through event .* --from-start --again"):
        call_command("deliver_events", from_start=True)
    assert len(arrived(hook)) == 1
    call_command("deliver_events", from_start=True, again=True)
    assert [event["kind"] for event in arrived(hook)] == ["login", "login"]


@pytest.mark.parametrize("options", [{"again": True}, {"from_start": True, "follow": True}])
def test_sending_again_is_for_one_run_from_the_start(hook, options):
    with pytest.raises(CommandError, match="--again needs"):
        call_command("deliver_events", **{"again": True, **options})


def test_nothing_is_sent_again_during_a_delivery(hook):
    later = "2999-01-01T00:00:00Z"
    TrailReader.objects.update(holder="another", leased_until=later, last_id=3)
    with pytest.raises(CommandError, match="Another process"):
        call_command("deliver_events", from_start=True, again=True)
    assert TrailReader.objects.get().last_id == 3


def test_exit_status_is_1_at_a_failure_and_while_paused(hook):
    record(kind=Kind.LOGIN)
    hook.moods = ["500"]
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            call_command("deliver_events")
        assert left.value.code == 1
    assert len(hook.bodies) <= 1
