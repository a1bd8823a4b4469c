"""Run `move_database` in processes that kill themselves, see `tests.support.step_killer`."""

import io

import django
from django.core.management import call_command

from tests.support.step_killer import answer

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
    answer(move, begins_step)


def move() -> None:
    call_command("move_database", stdout=io.StringIO(), stderr=io.StringIO())


def begins_step(event: str, file: str) -> bool:
    """Count each call and return of a function of these files."""
    return event in ("call", "return") and file.endswith(STEPS_OF)


if __name__ == "__main__":
    main()
