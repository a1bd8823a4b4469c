"""Give probes and logins threads of their own, so that no other request waits behind a login."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from errno import EINVAL
from functools import partial
from selectors import EVENT_READ
from socket import (
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_PEEK,
    SHUT_RDWR,
    SO_RCVLOWAT,
    SOL_SOCKET,
    socket,
)
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from portal.drain import is_closing
from portal.first_bytes import MAX_BYTES, login_size, probe_name
from portal.metrics_folder import take_place

if TYPE_CHECKING:
    from portal.gauges import Group

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


SAMPLE_SECONDS = 1.0
Handle = Callable[[TConn], Any]


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Run requests in threads like gunicorn's worker, but probes and logins in other threads."""

    place: int
    sampled_at = float("-inf")

    def init_process(self) -> None:
        # A scrape takes longer than a probe, and must not delay one.
        self.probes = ThreadPoolExecutor(1, thread_name_prefix="probes")
        self.scrapes = ThreadPoolExecutor(1, thread_name_prefix="scrapes")
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, and what only the application knows about its logins."""
        take_place(self)
        super().load_wsgi()
        from django.conf import settings
        from django.urls import reverse

        from portal.gauges import Group, sample
        from portal.urls import LOGINS
        from tokens.web.series import count_refused_login

        self.sample, self.count_refused_login = sample, count_refused_login
        self.groups = {
            "requests": Group(self.cfg.threads),
            "logins": Group(settings.LOGIN_THREADS),
        }
        self.login_paths = frozenset(reverse(name).encode() for name in LOGINS)
        self.logins = ThreadPoolExecutor(settings.LOGIN_THREADS, thread_name_prefix="logins")
        self.login_places = BoundedSemaphore(settings.LOGIN_THREADS + QUEUED_LOGINS)

    def accept(self, listener: socket) -> None:
        try:
            super().accept(listener)
        except OSError as error:
            # Another worker has shut the socket down.
            if error.errno != EINVAL:
                raise

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive and is_closing():
            for listener in self.sockets:
                self._accept_waiting(listener)

    def _accept_waiting(self, listener: socket) -> None:
        """Accept the connections that wait, and have later ones refused instead of reset."""
        listener.setblocking(False)
        before = -1
        while self.nr_conns > before:
            before = self.nr_conns
            self.accept(listener)
        with suppress(OSError):
            listener.shutdown(SHUT_RDWR)

    def enqueue_req(self, conn: TConn, seen: int = 0) -> None:
        """Hand a connection to the threads for its request, once its first bytes say which.

        ``seen`` is how many bytes had arrived when it was last looked at.
        """
        received = _received(conn)
        if received is None:
            self._close(conn)
        elif not received and not conn.initialized and not conn.data_ready:
            self._wait(conn, size=1, seen=0)
        elif probe := probe_name(received):
            threads = self.scrapes if probe == b"metrics" else self.probes
            self._submit(threads, self.handle, conn)
        elif (size := login_size(received, self.login_paths)) is None:
            self._submit(self.tpool, self.handle, conn, self.groups["requests"])
        elif size > len(received) > seen and conn.sock.family != AF_UNIX:
            # A client that sends slowly does not occupy one of the few threads.
            self._wait(conn, size=size, seen=len(received))
        elif self.login_places.acquire(blocking=False):
            login = self._submit(self.logins, self._handle_login, conn, self.groups["logins"])
            login.add_done_callback(lambda _: self.login_places.release())
        else:
            self._refuse(conn)

    def _submit(
        self, threads: Executor, handle: Handle, conn: TConn, group: "Group | None" = None
    ) -> "Future[Any]":
        request = threads.submit(handle, conn)
        if group is not None:
            group.requests += 1
        request.add_done_callback(
            lambda done: self.method_queue.defer(self._finish, conn, done, group)
        )
        return request

    def _finish(self, conn: TConn, done: "Future[Any]", group: "Group | None") -> None:
        # This is the main loop again, the only thread that counts.
        if group is not None:
            group.requests -= 1
        self.finish_request(conn, done)

    def notify(self) -> None:
        """Tell the arbiter that the worker is alive, and all workers what it is doing."""
        super().notify()
        now = time.monotonic()
        if now - self.sampled_at >= SAMPLE_SECONDS:
            self.sampled_at = now
            # The disk may be full. Requests don't depend on it.
            with suppress(OSError):
                self.sample(self.groups)

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
        self._close(conn)
        self.count_refused_login()

    def _close(self, conn: TConn) -> None:
        conn.close()
        self.nr_conns -= 1


def _received(conn: TConn) -> bytes | None:
    """Return what a connection has received, without taking it; b"" if that is nothing.

    Returns None if the client has closed it: no thread is needed to find that out. It's b"" for a
    TLS socket too, which takes no flags, and for a request of which the parser has the beginning.
    """
    if conn.parser is not None and conn.parser.unreader.buf.getvalue():
        return b""
    try:
        received: Any = conn.sock.recv(MAX_BYTES, MSG_PEEK | MSG_DONTWAIT)
    except (OSError, ValueError):
        return b""
    return bytes(received) or None
