"""The portal behind real nginx and real HAProxy, with the configurations of deploy/."""

import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.fronts import CLIENT, OPERATOR, haproxy, nginx, serving_behind
from tests.support.server.portal import serving
from tests.support.users import PASSWORD

# What a proxy passes on does not depend on the database.
pytestmark = pytest.mark.once

PROXIES: dict[str, Any] = {"nginx": nginx, "haproxy": haproxy}
PROBES = ("/healthz", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def portal(django_db_setup, tmp_path_factory):
    folder = tmp_path_factory.mktemp("behind")
    path = Path("/tmp") / f"{folder.parent.name}-{folder.name}.sock"  # a socket's path is short
    settings = {"HTTPS": "on", "TRUSTED_PROXIES": f"{OPERATOR},unix"}
    with serving(folder, socket_path=path, **settings) as server:
        yield server
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def fronts(portal, tmp_path_factory):
    """Start each proxy once: ``fronts("nginx")``, or ``fronts("nginx", unix=True)``."""
    running = {}
    with ExitStack() as stack:

        def start(name, *, unix=False):
            if (name, unix) not in running:
                upstream = portal.url.removeprefix("http://")
                if unix:
                    upstream = f"{'unix@' if name == 'haproxy' else 'unix:'}{portal.socket_path}"
                folder = tmp_path_factory.mktemp(name)
                running[name, unix] = stack.enter_context(PROXIES[name](folder, upstream))
            return running[name, unix]

        yield start


@pytest.fixture(params=sorted(PROXIES))
def front(request, transactional_db, fronts):
    return fronts(request.param)


def log_in(front):
    body = {"username": "alice", "password": PASSWORD}
    answer = front.call("POST", "/api/login", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def logged(portal, request_id):
    """Return the line of the portal's access log for one request."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for line in portal.log.read_text().splitlines():
            if line.endswith(request_id):
                return line
        time.sleep(0.05)
    raise AssertionError(f"{request_id} is not in the access log")


def test_tokens_are_issued_used_refreshed_and_revoked_through_the_proxy(front, alice):
    pair = log_in(front)
    assert front.call("GET", "/api/restricted", token=pair["access"]).status_code == 200
    pair = front.call("POST", "/api/refresh", json={"refresh": pair["refresh"]}).json()
    assert front.call("POST", "/api/logout", json={"refresh": pair["refresh"]}).json() == {}
    assert front.call("GET", "/api/restricted", token=pair["access"]).status_code == 401


def test_client_address_is_what_the_proxy_saw(front, portal):
    forged = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    answer = front.call("GET", "/api/restricted", headers=forged)
    assert logged(portal, answer.headers["X-Request-ID"]).startswith(f"{CLIENT} ")


def test_request_id_of_the_client_is_replaced(front):
    answer = front.call("GET", "/api/restricted", headers={"X-Request-ID": "chosen-by-the-client"})
    assert re.fullmatch(r"[0-9a-f-]{32,36}", answer.headers["X-Request-ID"])


def test_scheme_of_the_client_is_replaced(front):
    """Without X-Forwarded-Proto from the proxy, each page would redirect to itself."""
    answer = front.call("GET", "/staff/login/", headers={"X-Forwarded-Proto": "http"})
    assert answer.status_code == 200
    assert answer.headers["Set-Cookie"].startswith("__Host-csrftoken=")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_http_is_redirected_to_https(front):
    answer = front.call("GET", "/staff/?q=1", scheme="http")
    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("https://localhost")
    assert answer.headers["Location"].endswith("/staff/?q=1")


@pytest.mark.parametrize("path", PROBES)
def test_probes_answer_operators(front, path):
    assert front.call("GET", path, source=OPERATOR).status_code == 200


@pytest.mark.parametrize("path", [*PROBES, "/%6detrics", "/metrics?x=1", "/healthz%3f"])
def test_probes_answer_no_client(front, path):
    answer = front.call("GET", path)
    assert answer.status_code in {403, 404}
    assert "portal_requests" not in answer.text


def test_body_over_the_limit_gets_the_413_of_the_portal(front):
    answer = front.call("POST", "/api/verify", json={"token": "x" * 70_000})
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The body is too large."}
    assert "X-Request-ID" in answer.headers


def test_body_at_the_limit_passes(front):
    body = b'{"token": "' + b"x" * (65_536 - 13) + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = front.call("POST", "/api/verify", data=body, headers=headers)
    assert (len(body), answer.status_code) == (65_536, 401)


def test_search_is_in_no_log_of_the_proxy(fronts, transactional_db):
    for name in PROXIES:
        front = fronts(name)
        front.call("GET", "/staff/users/?q=secret-search")
        until = time.monotonic() + 30
        while "/staff/users/" not in (logged := logs_of(front)):
            assert time.monotonic() < until, name
            time.sleep(0.05)
        assert "secret-search" not in logged, name


def logs_of(front):
    return "".join(path.read_text() for path in front.certificate.parent.glob("*.log"))


class Crowd:
    """Connections of clients that are silent, stop in the middle of a request, or send slowly."""

    HEAD = b"POST /api/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    def __init__(self, front):
        self.front = front
        trust = ssl.create_default_context(cafile=str(front.certificate))
        silent = [self._connect() for _ in range(200)]
        half = [self._connect(trust) for _ in range(50)]
        slow = [self._connect(trust) for _ in range(7)]
        for connection in half:
            connection.sendall(self.HEAD)
        for connection in slow:
            connection.sendall(self.HEAD + b'Content-Length: 60000\r\n\r\n{"token": "')
        self.connections = [*silent, *half, *slow]

    def _connect(self, trust=None):
        connection = socket.create_connection(("127.0.0.1", self.front.https), timeout=30)
        if trust is None:
            return connection
        return trust.wrap_socket(connection, server_hostname="localhost")

    def closed(self, deadline):
        """Return how many connections the proxy closed before the deadline."""
        count = 0
        for connection in self.connections:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                while connection.recv(4096):
                    pass
                count += 1
            except TimeoutError:
                pass
            except OSError:
                count += 1
        return count

    def close(self):
        for connection in self.connections:
            with suppress(OSError):
                connection.close()


@pytest.mark.slow
def test_silent_and_slow_clients_keep_no_other_client_waiting(front, alice):
    token = log_in(front)["access"]

    def seconds_of_calls():
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            calls = [
                pool.submit(front.call, "GET", "/api/restricted", token=token) for _ in range(40)
            ]
            assert {call.result().status_code for call in calls} == {200}
        return time.monotonic() - began

    alone = seconds_of_calls()
    crowd = Crowd(front)
    try:
        # On a busy machine the calls take long without a crowd too.
        assert seconds_of_calls() < 3 * alone + 3, "the calls waited for the crowd"
        # The longest deadline is HAProxy's 10 seconds for a TLS handshake.
        assert crowd.closed(time.monotonic() + 15) == len(crowd.connections)
    finally:
        crowd.close()


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_portal_answers_behind_a_socket(name, transactional_db, fronts):
    front = fronts(name, unix=True)
    assert {front.call("GET", path, source=OPERATOR).status_code for path in PROBES} == {200}


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_client_address_is_kept_behind_a_socket(name, transactional_db, fronts, portal):
    answer = fronts(name, unix=True).call("GET", "/api/restricted")
    assert answer.status_code == 401
    assert logged(portal, answer.headers["X-Request-ID"]).startswith(f"{CLIENT} ")


@pytest.fixture(scope="module")
def portal_under_a_path(django_db_setup, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    settings = {"HTTPS": "on", "TRUSTED_PROXIES": OPERATOR, "SCRIPT_NAME": "/tokens"}
    with serving(folder, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def under_a_path(portal_under_a_path, tmp_path_factory):
    """Serve under /tokens: SCRIPT_NAME, and the path in the locations of nginx."""
    upstream = portal_under_a_path.url.removeprefix("http://")
    with nginx(tmp_path_factory.mktemp("nginx"), upstream, prefix="/tokens") as front:
        yield front


def test_portal_is_served_under_a_path(transactional_db, under_a_path, alice):
    front = under_a_path
    body = {"username": "alice", "password": PASSWORD}
    token = front.call("POST", "/tokens/api/login", json=body).json()["access"]
    assert front.call("GET", "/tokens/api/restricted", token=token).status_code == 200
    page = front.call("GET", "/tokens/staff/")
    assert page.headers["Location"].startswith("/tokens/staff/login/")
    assert front.call("GET", "/tokens/metrics").status_code == 403
    assert front.call("GET", "/api/restricted", token=token).status_code == 404


def test_static_files_are_served_under_a_path(transactional_db, under_a_path):
    page = under_a_path.call("GET", "/tokens/staff/login/").text
    links = re.findall(r'"(/[^"]*static/[^"]+)"', page)
    assert links
    assert {under_a_path.call("GET", link).status_code for link in links} == {200}


def test_unknown_api_call_gets_json_under_a_path(transactional_db, under_a_path):
    answer = under_a_path.call("GET", "/tokens/api/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", PROBES)
def test_probe_under_a_path_is_not_redirected_to_https(transactional_db, portal_under_a_path, path):
    assert portal_under_a_path.call("GET", f"/tokens{path}").status_code == 200
    assert portal_under_a_path.call("GET", "/tokens/staff/login/").status_code == 301


@pytest.mark.parametrize("name", ["nginx", "nginx-socket", "nginx-path", "haproxy-socket"])
def test_front_for_other_suites_serves_over_http(name, transactional_db, tmp_path, alice):
    with serving_behind(name, tmp_path) as server:
        token = server.login("alice", PASSWORD)["access"]
        answer = server.call("GET", "/api/restricted", token=token)
    assert answer.status_code == 200
    assert logged(server, answer.headers["X-Request-ID"]).startswith(f"{OPERATOR} ")
