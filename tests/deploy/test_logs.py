"""The lines of the log belong together by the id of the request, as text and as JSON."""

import json
import re
import time

import pytest

from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.models import Event, Kind

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def reuse(server, user):
    """Use a refresh token twice, and return the answer that refuses it."""
    token = pair_of(user).refresh
    for _ in range(2):
        answer = server.call(
            "POST",
            "/api/refresh",
            json={"refresh": token},
            headers={"traceparent": TRACEPARENT},
        )
    assert answer.status_code == 401
    return answer


def lines_with(server, text, number):
    """Wait until so many lines have the text."""
    until = time.monotonic() + 10
    while True:
        found = [line for line in server.log.read_text().splitlines() if text in line]
        if len(found) >= number or time.monotonic() > until:
            return found
        time.sleep(0.1)


def test_one_id_goes_through_response_event_access_log_and_log(serve, alice):
    server = serve(REFRESH_GRACE_SECONDS="0", LOG_LEVEL="WARNING")
    request_id = reuse(server, alice).headers["X-Request-ID"]
    assert Event.objects.get(kind=Kind.REUSE).request_id == request_id
    event, access, logged = sorted(lines_with(server, request_id, 3), key=sort_of)
    assert json.loads(event)["kind"] == "reuse"
    assert re.fullmatch(rf'127.0.0.1 "POST /api/refresh" 401 [\d.]+ms {request_id}', access)
    assert f" WARNING django.request {request_id} Unauthorized: /api/refresh" in logged


def sort_of(line):
    return 0 if line.startswith('{"id"') else 1 if "ms " in line or "tokens.access" in line else 2


@pytest.mark.once
def test_every_line_is_an_object_in_json(serve, alice):
    server = serve(REFRESH_GRACE_SECONDS="0", LOG_FORMAT="json", WEB_CONCURRENCY="1")
    request_id = reuse(server, alice).headers["X-Request-ID"]
    event, access, logged = sorted(lines_with(server, request_id, 3), key=sort_of)
    assert json.loads(event)["data"]["traceparent"] == TRACEPARENT
    access, logged = json.loads(access), json.loads(logged)
    assert access.pop("milliseconds") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", access.pop("time"))
    assert access == {
        "level": "INFO",
        "logger": "tokens.access",
        "message": "POST /api/refresh 401",
        "request_id": request_id,
        "trace_id": TRACE,
        "address": "127.0.0.1",
        "method": "POST",
        "path": "/api/refresh",
        "status": 401,
    }
    del logged["time"]
    assert logged == {
        "level": "WARNING",
        "logger": "django.request",
        "message": "Unauthorized: /api/refresh",
        "request_id": request_id,
        "trace_id": TRACE,
    }
    server.process.terminate()
    server.process.wait(timeout=25)
    lines = server.log.read_text().splitlines()
    messages = [json.loads(line).get("message", "") for line in lines]
    assert any(message.startswith("Starting gunicorn") for message in messages)


@pytest.mark.once
def test_form_of_the_log_can_be_in_the_env_file(serve, tmp_path):
    path = tmp_path / "env"
    path.write_text("LOG_FORMAT=json\n")
    server = serve(ENV_FILE=str(path), WEB_CONCURRENCY="1")
    server.call("GET", "/nothing")
    assert len(lines_with(server, "/nothing", 2)) == 2
    for line in server.log.read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize("form", ["text", "json"])
def test_tokens_in_addresses_are_redacted_in_both_forms(serve, alice, form):
    server = serve(LOG_FORMAT=form, WEB_CONCURRENCY="1")
    token = pair_of(alice).access
    server.call("GET", f"/nothing/{token}")
    head, _, signature = token.rpartition(".")
    assert len(lines_with(server, head, 2)) == 2
    assert signature not in server.log.read_text()


@pytest.mark.once
def test_invalid_trace_is_left_out_and_no_trace_is_a_request_id(serve, alice):
    server = serve(LOG_FORMAT="json", WEB_CONCURRENCY="1")
    body = {"username": "alice", "password": PASSWORD}
    for sent in (
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        TRACEPARENT.upper(),
        TRACEPARENT + "-x",
        "ff" + TRACEPARENT[2:],
        TRACEPARENT.replace("4", "x"),
    ):
        answer = server.call("POST", "/api/login", json=body, headers={"traceparent": sent})
        request_id = answer.headers["X-Request-ID"]
        assert "4bf92f" not in request_id
        lines = [json.loads(line) for line in lines_with(server, request_id, 2)]
        assert [line.get("trace_id") for line in lines] == [None, None]
    assert not any("traceparent" in event.data for event in Event.objects.all())
