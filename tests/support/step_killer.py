"""Run an act in processes that kill themselves at a chosen step.

`answer` reads a number from each line of standard input, and starts a process that ends with
SIGKILL at that step; at none for 0. It prints the number of steps that the process has begun, which
is 0 for one that was killed.
"""

import os
import signal
import sys
from collections.abc import Callable

from django.core.management import CommandError
from django.db import connections

Act = Callable[[], None]
Counts = Callable[[str, str], bool]


def answer(act: Act, counts: Counts) -> None:
    for line in sys.stdin:
        connections.close_all()
        print(_run(act, counts, int(line)), flush=True)


def _run(act: Act, counts: Counts, fatal: int) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        begun = steps(act, counts, fatal=fatal)
        os.write(writer, str(begun).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as answered:
        return int(answered.read() or 0)


def steps(act: Act, counts: Counts, *, fatal: int = 0) -> int:
    """Run ``act``, and return how many steps it has begun; -1 if it fails.

    ``counts`` tells whether an event of `sys.setprofile` in a file begins a step.
    """
    begun = 0

    def count(frame, event, argument):
        nonlocal begun
        if counts(event, frame.f_code.co_filename):
            begun += 1
            if begun == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        act()
    except CommandError as error:
        print(error, file=sys.stderr)
        return -1
    finally:
        sys.setprofile(None)
    return begun
