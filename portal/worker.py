"""Answer probes in a thread of their own, so that they never wait behind other requests."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from selectors import EVENT_READ
from socket import MSG_DONTWAIT, MSG_PEEK
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

PREFIX = re.escape(os.environ.get("SCRIPT_NAME", "").rstrip("/")).encode()
# A whole request without a body. The thread would wait for the rest of an unfinished one.
PROBE = re.compile(
    rb"(?:GET|HEAD) " + PREFIX + rb"/(?:healthz|readyz)(?:\?[^ ]*)? HTTP/1\.[01]\r\n"
    rb"(?:(?!content-length|transfer-encoding)[^\r\n]+\r\n)*\r\n",
    re.IGNORECASE,
)
MAX_PROBE_BYTES = 8192


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Run requests in threads like gunicorn's worker, and probes in one more thread."""

    def init_process(self) -> None:
        self.probes = ThreadPoolExecutor(1, thread_name_prefix="probes")
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to the threads once its first bytes say whether it is a probe."""
        started = _received(conn)
        if not started and not conn.initialized and not conn.data_ready:
            self._wait_for_first_bytes(conn)
            return
        threads = self.probes if PROBE.fullmatch(started) else self.tpool
        request = threads.submit(self.handle, conn)
        request.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def _wait_for_first_bytes(self, conn: TConn) -> None:
        """Let the worker's main loop wait, as gunicorn does for clients that stay silent."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))


def _received(conn: TConn) -> bytes:
    """Return what a connection has received, without taking it; b"" if that is nothing."""
    try:
        received: Any = conn.sock.recv(MAX_PROBE_BYTES, MSG_PEEK | MSG_DONTWAIT)
    except (OSError, ValueError):
        # A TLS socket takes no flags.
        return b""
    return bytes(received)
