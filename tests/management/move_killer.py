"""Run `move_database` in processes that kill themselves at a chosen step.

``python -m tests.management.move_killer`` reads a number from each line of standard input, and
starts a process that ends with SIGKILL at that step; at none for 0. It answers with the number of
steps that the process has begun, which is 0 for one that was killed.
"""

import io
import os
import signal
import sys

import django
from django.core.management import CommandError, call_command
from django.db import connections

STEPS_OF = (
    "/tokens/management/moving/ends.py",
    "/tokens/management/moving/move.py",
    "/tokens/db/unfinished_move.py",
    "/django/db/migrations/executor.py",
    "/django/db/transaction.py",
)
# Each table has several batches.
ROWS = 7


def main() -> None:
    django.setup()
    from tokens.management.moving import rows

    rows.BATCH_ROWS = ROWS
    for line in sys.stdin:
        connections.close_all()
        print(run(int(line)), flush=True)


def run(fatal: int) -> int:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        begun = move(fatal)
        os.write(writer, str(begun).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as answer:
        return int(answer.read() or 0)


def move(fatal: int) -> int:
    """Move. Each call and return of a function of these files begins a step; -1 for an error."""
    begun = 0

    def count(frame, event, argument):
        nonlocal begun
        if event in ("call", "return") and frame.f_code.co_filename.endswith(STEPS_OF):
            begun += 1
            if begun == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        call_command("move_database", stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError as error:
        print(error, file=sys.stderr)
        return -1
    finally:
        sys.setprofile(None)
    return begun


if __name__ == "__main__":
    main()
