"""Let one process at a time deliver, for as long as it lives.

The reader's row has the process and the instant at which its lease ends, by the database's clock. A
thread renews the lease, however long a request takes. The lease of a process that was killed ends.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from tokens.models import TrailReader

# How long a killed process keeps others from delivering. Each lease is renewed three times in it.
SECONDS = 60.0


class Busy(Exception):
    """Another process is delivering."""


class Lease:
    """The right of this process to deliver. `leased` takes it and gives it back."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._holder = uuid.uuid4().hex
        self._lasts_until = 0.0

    def take(self) -> None:
        """Take the lease, or raise `Busy`."""
        began = time.monotonic()
        with transaction.atomic(durable=True):
            taken = free_rows(self._reader).update(holder=self._holder, leased_until=_end())
        if not taken:
            raise Busy
        self._lasts_until = began + SECONDS

    def renew(self) -> None:
        """Let the lease last for another minute. Raises `Busy` if another process took it."""
        began = time.monotonic()
        self.update(leased_until=_end())
        self._lasts_until = began + SECONDS

    def check(self) -> None:
        """Raise `Busy` if the lease may be over, as when the process was suspended."""
        if time.monotonic() >= self._lasts_until:
            raise Busy

    def update(self, **values: object) -> None:
        """Change the reader's row. Raises `Busy` if another process took the lease."""
        if not self._rows().update(**values):
            raise Busy

    def give_back(self) -> None:
        """Let the next process deliver at once."""
        self._rows().update(holder="", leased_until=None)

    def _rows(self) -> "QuerySet[TrailReader]":
        return TrailReader.objects.filter(name=self._reader, holder=self._holder)


@contextmanager
def leased(reader: str) -> Iterator[Lease]:
    """Hold the lease of a reader's row in a block. Raises `Busy`."""
    lease = Lease(reader)
    lease.take()
    done = threading.Event()
    renewing = threading.Thread(target=_keep_renewing, args=[lease, done], daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        done.set()
        renewing.join()
        lease.give_back()


def free_rows(reader: str) -> "QuerySet[TrailReader]":
    """Return the reader's row if no process holds it."""
    return TrailReader.objects.filter(Q(holder="") | Q(leased_until__lt=Now()), name=reader)


def _keep_renewing(lease: Lease, done: threading.Event) -> None:
    try:
        while not done.wait(SECONDS / 3):
            # While the database is away, the lease runs out, and `check` says so.
            with suppress(DatabaseError):
                lease.renew()
            # The thread needs no connection until then, and one that broke is replaced.
            connection.close()
    except Busy:
        connection.close()


def _end() -> Combinable:
    return Now() + timedelta(seconds=SECONDS)
