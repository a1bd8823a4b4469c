"""Give probes and logins threads of their own, so that no other request waits behind a login."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from socket import AF_UNIX, MSG_DONTWAIT, MSG_PEEK, SO_RCVLOWAT, SOL_SOCKET, socket
from threading import BoundedSemaphore
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from portal.first_bytes import MAX_BYTES, is_probe, login_size

# Logins that wait for a thread. In a flood, one thread refuses about fifteen in a second, so that
# the last has its answer before its client gives up.
QUEUED_LOGINS = 64
# A login thread rests for so many times the time that it computed, except for hashes.
REST_FACTOR = 10
MAX_REST_SECONDS = 0.05
BUSY_BODY = b'{"detail":"Too many logins at once. Try again in a moment."}'
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nCache-Control: no-store\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
) % (len(BUSY_BODY), BUSY_BODY)


Handle = Callable[[TConn], Any]


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Run requests in threads like gunicorn's worker, but probes and logins in other threads."""

    def init_process(self) -> None:
        self.probes = ThreadPoolExecutor(1, thread_name_prefix="probes")
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, and what only the application knows about its logins."""
        super().load_wsgi()
        from django.conf import settings
        from django.urls import reverse

        from portal.urls import LOGINS
        from tokens.web.metrics import REQUESTS

        self.requests = REQUESTS
        self.login_paths = frozenset(reverse(name).encode() for name in LOGINS)
        self.logins = ThreadPoolExecutor(settings.LOGIN_THREADS, thread_name_prefix="logins")
        self.login_places = BoundedSemaphore(settings.LOGIN_THREADS + QUEUED_LOGINS)

    def enqueue_req(self, conn: TConn, seen: int = 0) -> None:
        """Hand a connection to the threads for its request, once its first bytes say which.

        ``seen`` is how many bytes had arrived when it was last looked at.
        """
        received = _received(conn)
        if not received and not conn.initialized and not conn.data_ready:
            self._wait(conn, size=1, seen=0)
        elif is_probe(received):
            self._submit(self.probes, self.handle, conn)
        elif (size := login_size(received, self.login_paths)) is None:
            self._submit(self.tpool, self.handle, conn)
        elif size > len(received) > seen and conn.sock.family != AF_UNIX:
            # A client that sends slowly does not occupy one of the few threads.
            self._wait(conn, size=size, seen=len(received))
        elif self.login_places.acquire(blocking=False):
            login = self._submit(self.logins, self._handle_login, conn)
            login.add_done_callback(lambda _: self.login_places.release())
        else:
            self._refuse(conn)

    def _submit(self, threads: Executor, handle: Handle, conn: TConn) -> "Future[Any]":
        request = threads.submit(handle, conn)
        request.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )
        return request

    def _handle_login(self, conn: TConn) -> Any:
        """Handle a login and rest, so that the thread computes for a tenth of the time at most.

        The threads of a process take turns to run Python code. Without a rest, the thread that
        refuses logins in a flood would have every other turn.
        """
        began, computed = time.monotonic(), time.thread_time()
        try:
            return self.handle(conn)
        finally:
            computed = time.thread_time() - computed
            rest = REST_FACTOR * computed - (time.monotonic() - began)
            time.sleep(min(max(rest, 0), MAX_REST_SECONDS))

    def _wait(self, conn: TConn, *, size: int, seen: int) -> None:
        """Let the worker's main loop wait until ``size`` bytes have arrived, or no more can.

        gunicorn waits in the same way for clients that stay silent, and closes them in the end.
        """
        conn.sock.setsockopt(SOL_SOCKET, SO_RCVLOWAT, size)
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._look_again, conn, seen))

    def _look_again(self, conn: TConn, seen: int, sock: socket) -> None:
        self.poller.unregister(sock)
        self.pending_conns.remove(conn)
        sock.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 1)
        conn.data_ready = True
        self.enqueue_req(conn, seen)

    def _refuse(self, conn: TConn) -> None:
        """Refuse a login without a thread: the queue is full."""
        with suppress(OSError):
            conn.sock.setblocking(False)
            # The kernel would reset a connection that has unread bytes, and the answer with it.
            conn.sock.recv(MAX_BYTES)
            conn.sock.send(BUSY)
        conn.close()
        self.nr_conns -= 1
        self.requests.labels("none", "POST", 503).inc()


def _received(conn: TConn) -> bytes:
    """Return what a connection has received, without taking it; b"" if that is nothing.

    It's b"" for a TLS socket too, which takes no flags, and for a request of which the parser has
    the beginning.
    """
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return b""
    try:
        received: Any = conn.sock.recv(MAX_BYTES, MSG_PEEK | MSG_DONTWAIT)
    except (OSError, ValueError):
        return b""
    return bytes(received)
