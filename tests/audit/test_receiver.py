"""The HTTP client of the webhook against a real server."""

import threading
from contextlib import closing
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from tests.audit.hook import POLL
from tokens.audit.delivery.http import MAX_RESPONSE_BYTES, Receiver, Undelivered


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=[POLL], daemon=True).start()
        yield running
        running.shutdown()


class Server(ThreadingHTTPServer):
    """Keep what arrives; send ``answer``, which is a status, headers and a body."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests, self.peers = [], set()
        self.answer: tuple[int, dict[str, str], bytes] = (204, {}, b"")
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, body))
        self.server.peers.add(self.client_address)
        status, headers, content = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def log_message(self, *args):
        pass


def post(url, *, times=1, timeout=30.0):
    with closing(Receiver(url, timeout=timeout)) as receiver:
        for _ in range(times):
            receiver.post(b"{}", {"Content-Type": "application/json"})


@pytest.mark.parametrize("content", [b"", b"thanks", b"x" * 5_000])
def test_receiver_keeps_its_connection_between_posts(server, content):
    server.answer = (200, {}, content)
    post(f"{server.url}/hook?key=1", times=3)
    assert server.requests == [("/hook?key=1", b"{}")] * 3
    assert len(server.peers) == 1


def test_receiver_does_not_read_a_long_answer_to_its_end(server):
    """The server announces far more than it sends: reading on would end in a timeout."""
    content = b"x" * (MAX_RESPONSE_BYTES + 1)
    server.answer = (200, {"Content-Length": str(10**9)}, content)
    post(server.url, times=2, timeout=10.0)
    assert len(server.requests) == 2
    assert len(server.peers) == 2


def test_receiver_refuses_an_answer_that_stops_in_the_middle(server):
    server.answer = (200, {"Content-Length": "10"}, b"half")
    with pytest.raises(Undelivered):
        post(server.url, timeout=0.3)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_receiver_does_not_follow_redirects(server, status):
    server.answer = (status, {"Location": f"{server.url}/elsewhere"}, b"")
    with pytest.raises(Undelivered, match=str(status)):
        post(f"{server.url}/hook")
    assert [path for path, _body in server.requests] == ["/hook"]


def test_receiver_ignores_the_proxies_of_the_environment(server, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    post(server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 120),
        (timedelta(hours=2), 7000, 7201),
        (timedelta(hours=-2), 0, 0),
        ("9" * 40, 86_400, 86_400),
        ("soon", 0, 0),
        ("-5", 0, 0),
    ],
)
def test_receiver_reports_the_pause_that_was_asked_for(server, header, least, most):
    if isinstance(header, timedelta):
        header = format_datetime(timezone.now() + header, usegmt=True)
    server.answer = (503, {"Retry-After": header}, b"")
    with pytest.raises(Undelivered) as refused:
        post(server.url)
    assert least <= refused.value.retry_after <= most


def test_receiver_reports_a_host_that_refuses_connections(server):
    server.server_close()
    with pytest.raises(Undelivered):
        post(server.url)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "example.org", "/hook", "http://", "http://x:port/", ""]
)
def test_receiver_refuses_an_address_that_is_not_http(url):
    with pytest.raises(ValueError, match=r".+"):
        Receiver(url)
