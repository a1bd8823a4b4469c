"""Leave out hosts that do not answer, where `DATABASE_URL` names several.

An attempt to connect asks the hosts in turn. Without this, each attempt would wait for a host that
is cut off, and only then see that the next one has been promoted.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg

SLOW_SECONDS = 1.0
RETRY_SECONDS = 1.0


class Host(NamedTuple):
    name: str
    port: str


def hosts_of(options: dict[str, Any]) -> list[Host]:
    """Return the hosts that the options of a connection name, in their order."""
    hosts = str(options.get("host") or "").split(",")
    ports = str(options.get("port") or "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return [Host(*one) for one in zip(hosts, ports, strict=True)]


class SilentHosts:
    """Know the hosts that do not answer. A thread asks each of them until it does."""

    def __init__(self) -> None:
        self._hosts: set[Host] = set()
        self._lock = threading.Lock()
        # A new process has none of the threads.
        os.register_at_fork(after_in_child=self._hosts.clear)

    def __contains__(self, host: Host) -> bool:
        return host in self._hosts

    def try_host(self, host: Host, connect: Callable[[], Any]) -> Any:
        """Connect, and note the host if that fails only after a while."""
        began = time.monotonic()
        try:
            return connect()
        except psycopg.OperationalError:
            if time.monotonic() - began >= SLOW_SECONDS:
                self._add(host, connect)
            raise

    def _add(self, host: Host, connect: Callable[[], Any]) -> None:
        with self._lock:
            if host in self._hosts:
                return
            self._hosts.add(host)
        threading.Thread(target=self._ask, args=[host, connect], daemon=True).start()

    def _ask(self, host: Host, connect: Callable[[], Any]) -> None:
        """Wait until the host accepts or refuses a connection without delay."""
        while True:
            time.sleep(RETRY_SECONDS)
            began = time.monotonic()
            try:
                connect().close()
                break
            except psycopg.OperationalError:
                if time.monotonic() - began < SLOW_SECONDS:
                    break
        self._hosts.discard(host)


silent_hosts = SilentHosts()
