"""Logins that wait for a hash keep no other request waiting, over real HTTP.

A lock that the test holds in the database stops the login that hashes, and so all that wait for it.
"""

import json
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest
import requests
from django.db import connection, transaction

from portal.worker import QUEUED_LOGINS
from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.models import Event, LoginThrottle

# One login hashes and three wait, which are more than the threads for other requests.
HASHES, WAITING = 1, 4
STRANGERS = HASHES + WAITING - 1
FLOODED = {
    "WEB_CONCURRENCY": "1",
    "WEB_THREADS": "2",
    "LOGIN_HASHES": str(HASHES),
    "LOGIN_WAITING": str(WAITING),
    "TRUSTED_PROXIES": "127.0.0.1",
}
HEAD = (
    b"POST %s/api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
WRONG = json.dumps({"username": "alice", "password": "wrong"}).encode()
BEARER = b"GET /api/restricted HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n"


@contextmanager
def attempts_locked() -> Iterator[None]:
    """Let no login count its attempt, which it does when it has its turn to hash."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {LoginThrottle._meta.db_table} IN EXCLUSIVE MODE")
        yield


def wrong_login(server, number):
    return server.call(
        "POST",
        "/api/login",
        json={"username": f"stranger-{number}", "password": "wrong"},
        headers={"X-Forwarded-For": f"198.51.100.{number}"},
    )


def connected(server):
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)


def statuses(client, number):
    """Read responses with a Content-Length from one connection; return their statuses."""
    stream, found = client.makefile("rb"), []
    for _ in range(number):
        found.append(int(stream.readline().split()[1]))
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        stream.read(length)
    return found


def refusal_beyond(waiting, server, request):
    """Send logins until the worker refuses one, which a full queue does at once.

    Each wait for a hash ends after five seconds, so on a slow machine there are places again. The
    logins that took one are added to ``waiting``.
    """
    for _ in range(QUEUED_LOGINS):
        client = connected(server)
        client.sendall(request)
        if select.select([client], [], [], 2)[0]:
            with client:
                return client.makefile("rb").read()
        waiting.append(client)
    raise AssertionError("the worker refused no login")


def test_waiting_logins_leave_every_thread_to_other_requests(serve, alice):
    server = serve(**FLOODED)
    token = server.login("alice", PASSWORD)["access"]
    events = Event.objects.count()
    flood = 20
    with ThreadPoolExecutor(flood + 1) as pool:
        with attempts_locked():
            logins = {pool.submit(wrong_login, server, number) for number in range(flood)}
            refused: set[Future[requests.Response]] = set()
            while len(refused) < flood - STRANGERS:
                done, _ = wait(logins - refused, timeout=20, return_when="FIRST_COMPLETED")
                assert done
                refused |= done
            for _ in range(3):
                assert server.call("GET", "/api/restricted", token=token).status_code == 200
            assert server.call("GET", "/healthz").status_code == 200
            owner = pool.submit(server.login, "alice", PASSWORD)
            assert server.call("GET", "/staff/login/").status_code == 200
        for login in refused:
            answer = login.result()
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.headers["X-Request-ID"]
        assert owner.result()["access"]
    hashed = sum(login.result().status_code == 401 for login in logins)
    assert hashed <= STRANGERS
    # The account and the address of each, and for alice also her known address and its counter.
    assert LoginThrottle.objects.count() == 2 * hashed + 4
    assert Event.objects.count() - events == hashed + 1


def test_login_beyond_the_queue_is_refused_by_the_worker_itself(serve, alice):
    server = serve(**FLOODED)
    token = server.login("alice", PASSWORD)["access"]
    places = HASHES + WAITING + QUEUED_LOGINS
    request = HEAD % (b"", len(WRONG)) + WRONG
    with attempts_locked():
        waiting = [connected(server) for _ in range(places)]
        for client in waiting:
            client.sendall(request)
        # The account knows this address, so no login thread refuses these: all of them wait.
        assert server.call("GET", "/api/restricted", token=token).status_code == 200
        answer = refusal_beyond(waiting, server, request)
        assert server.call("GET", "/api/restricted", token=token).status_code == 200
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert json.loads(body) == {"detail": "Too many logins at once. Try again in a moment."}
    for client in waiting:
        assert statuses(client, 1)[0] in {401, 429, 503}
        client.close()


def test_login_whose_body_does_not_come_occupies_no_thread(serve, alice):
    server = serve(**FLOODED, SCRIPT_NAME="/tokens")
    prefix = b"/tokens"
    halves = [connected(server) for _ in range(HASHES + WAITING + 10)]
    for half, client in enumerate(halves):
        head = HEAD % (prefix, len(WRONG))
        # Some send a part of the headers, the others all of them and a part of the body.
        client.sendall(head[:-20] if half % 2 else head + WRONG[:5])
    right = {"username": "alice", "password": PASSWORD}
    for _ in range(5):
        assert server.call("GET", "/tokens/api/restricted").status_code == 401
        assert server.call("POST", "/tokens/api/login", json=right).status_code == 200
    for client in halves[1:]:
        client.close()
    halves[0].sendall(WRONG[5:])
    assert statuses(halves[0], 1) == [401]
    halves[0].close()
    assert server.call("POST", "/tokens/api/login", json=right).status_code == 200


def test_connection_carries_logins_and_other_calls(portal_server, alice):
    server = portal_server
    bearer = BEARER % pair_of(alice).access.encode()
    login = HEAD % (b"", len(WRONG)) + WRONG
    with connected(server) as client:
        for request, status in [(login, 401), (bearer, 200), (login, 401), (login, 401)]:
            client.sendall(request)
            assert statuses(client, 1) == [status]
        for pipelined in ([login, bearer, bearer], [bearer, login, bearer], [login, login, bearer]):
            client.sendall(b"".join(pipelined))
            expected = [401 if request is login else 200 for request in pipelined]
            assert statuses(client, len(expected)) == expected


SPELLINGS = {
    "absolute form": (b"http://127.0.0.1/api/login", b"1.1", b"", WRONG, 401),
    "percent": (b"/%61pi/login", b"1.1", b"", WRONG, 401),
    "query": (b"/api/login?next=/", b"1.1", b"", WRONG, 401),
    "http 1.0": (b"/api/login", b"1.0", b"", WRONG, 401),
    "two slashes": (b"//api/login", b"1.1", b"", WRONG, 404),
    "chunks": (
        b"/api/login",
        b"1.1",
        b"Transfer-Encoding: chunked\r\n",
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(WRONG), WRONG),
        400,
    ),
    "no body": (b"/api/login", b"1.1", b"Content-Length: 0\r\n", b"", 400),
    "large": (b"/api/login", b"1.1", b"", WRONG + b" " * 65_000, 401),
    "too large": (b"/api/login", b"1.1", b"", WRONG + b" " * 66_000, 413),
}


@pytest.mark.parametrize("pieces", [1, 7])
def test_login_is_answered_however_it_is_spelled_and_sent(portal_server, alice, pieces):
    found = {}
    for name, (target, version, framing, body, _) in SPELLINGS.items():
        framing = framing or b"Content-Length: %d\r\n" % len(body)
        request = (
            b"POST %s HTTP/%s\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s\r\n%s"
            % (target, version, framing, body)
        )
        step = -(-len(request) // pieces)
        with connected(portal_server) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(request), step):
                client.sendall(request[start : start + step])
                time.sleep(0.05 if pieces > 1 else 0)
            found[name] = statuses(client, 1)[0]
    assert found == {name: expected for name, (*_, expected) in SPELLINGS.items()}


def test_client_that_waits_to_be_asked_for_its_body_is_asked(portal_server, alice):
    expecting = (HEAD % (b"", len(WRONG))).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with connected(portal_server) as client:
        client.sendall(expecting)
        assert client.makefile("rb", buffering=0).read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(WRONG)
        assert statuses(client, 1) == [401]
