"""Replace the workers on HUP without a gap: the old ones stop once the new ones serve.

gunicorn itself stops the old workers as soon as it has forked the new ones, which then have to load
the application for seconds. If they cannot load it, gunicorn stops altogether.
"""

import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from gunicorn.errors import HaltServer

from portal import metrics_folder

# How long the new workers may take to load the application.
LOAD_SECONDS = 60


class NotReplaced(Exception):
    """Raised if new workers cannot serve. The old ones go on."""


def settings_check() -> int:
    """Check the settings in a process of its own, and return its exit status.

    What the arbiter imports, its workers could not reload on HUP.
    """
    env = {name: value for name, value in os.environ.items() if name != metrics_folder.VARIABLE}
    return subprocess.run([sys.executable, "-m", "portal.startup"], check=False, env=env).returncode


def watch(worker: Any) -> None:
    """Share a byte with a worker that is about to be forked."""
    worker.serves = mmap.mmap(-1, 1)


def note_serving(worker: Any) -> None:
    """Tell the arbiter, from the worker, that the application is loaded."""
    worker.serves[0] = 1


def reload_without_gap(arbiter: Any) -> None:
    """Let HUP replace the workers only if the settings are right and new workers serve."""
    hang_up: Callable[[], None] = arbiter.handle_hup
    manage_workers: Callable[[], None] = arbiter.manage_workers

    def handle_hup() -> None:
        if settings_check():
            arbiter.log.error("Not reloaded: the settings are wrong. The workers stay as they are.")
            return
        newest = arbiter.worker_age

        def wait_and_manage() -> None:
            wait_for_new(arbiter, after=newest)
            manage_workers()

        # `reload` forks the new workers, and then has the surplus stopped, oldest first.
        arbiter.manage_workers = wait_and_manage
        try:
            hang_up()
        except NotReplaced:
            arbiter.log.error("Not reloaded: no new worker serves. The old workers go on.")
        finally:
            arbiter.manage_workers = manage_workers

    arbiter.handle_hup = handle_hup


def wait_for_new(arbiter: Any, *, after: int) -> None:
    """Wait until the workers that are younger than ``after`` serve, or remove all of them."""
    expected = len(_younger(arbiter, after))
    until = time.monotonic() + LOAD_SECONDS
    try:
        while True:
            arbiter.reap_workers()
            new = _younger(arbiter, after)
            if len(new) < expected or time.monotonic() > until:
                raise NotReplaced
            if all(worker.serves[0] for worker in new.values()):
                return
            time.sleep(0.05)
    except (HaltServer, NotReplaced):
        _remove(arbiter, after)
        raise NotReplaced from None


def _younger(arbiter: Any, age: int) -> dict[int, Any]:
    return {pid: worker for pid, worker in arbiter.WORKERS.items() if worker.age > age}


def _remove(arbiter: Any, after: int) -> None:
    """Stop the new workers. Those that don't serve have nothing to finish."""
    for pid, worker in _younger(arbiter, after).items():
        arbiter.kill_worker(pid, signal.SIGTERM if worker.serves[0] else signal.SIGKILL)
    until = time.monotonic() + arbiter.cfg.graceful_timeout
    while _younger(arbiter, after) and time.monotonic() < until:
        try:
            arbiter.reap_workers()
        except HaltServer:
            continue
        time.sleep(0.05)
