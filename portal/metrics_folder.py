"""Keep the metrics of a server's workers in a folder of its own, and leave none behind.

The server removes its folder when it stops. A server that was killed cannot: the next one removes
it. The processes of a server hold a lock on its folder, which ends with the last of them. The lock
also keeps systemd-tmpfiles from cleaning the folder up.

A worker that follows another goes on with its files, so that no counter falls and no number of
restarts fills the folder.
"""

import atexit
import fcntl
import itertools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

# Servers of earlier releases hold no lock on their folders, which have another prefix.
PREFIX = "portal-metrics-"
# prometheus_client reads this when it is imported.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare(parent: str) -> None:
    """Make a folder inside ``parent`` for this process and those that it forks."""
    for path in Path(parent).glob(f"{PREFIX}*"):
        _remove_if_abandoned(path)
    made: Path | None = None
    while made is None:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Another server that starts may have taken it for an abandoned one.
        made = path if _lock(path) is not None and path.is_dir() else None
    os.environ[VARIABLE] = str(made)
    atexit.register(_remove, made, os.getpid())


def give_place(worker: Any, *, others: list[Any]) -> None:
    """Give a new worker the lowest place that none of the ``others`` has. Its files are there."""
    taken = {other.place for other in others}
    worker.place = next(place for place in itertools.count() if place not in taken)


def take_place(worker: Any) -> None:
    """Count in the files of the worker's place, before any metric is made."""
    if VARIABLE in os.environ:
        from prometheus_client import values

        value_class = values.MultiProcessValue(lambda: worker.place)  # type: ignore[no-untyped-call]
        values.ValueClass = value_class


def leave_place(worker: Any) -> None:
    """Remove the gauges of a worker that has ended, such as how many of its threads are busy."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.place)  # type: ignore[no-untyped-call]


def _lock(path: Path) -> int | None:
    """Lock a folder, and return the descriptor that holds the lock; None if another process has it.

    Forked processes hold the lock too.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_if_abandoned(path: Path) -> None:
    # It may be another account's, or be removed at the same time.
    with suppress(OSError):
        if path.lstat().st_uid == os.geteuid() and (descriptor := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def _remove(path: Path, process: int) -> None:
    # Workers inherit what is to be done at the end.
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)
