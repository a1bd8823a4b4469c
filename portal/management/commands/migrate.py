"""Migrate beside a portal that serves."""

import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from tokens.jwt.redaction import redact_text

# A statement that changes a table waits for those that use it, and all later ones wait behind it.
# A migration that changes three tables holds others up for less than a second.
LOCK_TIMEOUT = "300ms"
TRIES = 60
PAUSE_SECONDS = 1.0


class Command(migrate.Command):
    help = "Update the database's tables, without holding up a portal that uses them."

    def run_from_argv(self, argv: list[str]) -> None:
        """Redact tokens in the arguments before a message can repeat them."""
        super().run_from_argv([*argv[:2], *map(redact_text, argv[2:])])

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate with a short timeout for locks, and try again while a table is in use.

        Migrations that are done are recorded, and one that got no lock was undone as a whole.
        """
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            self._try(lambda: super(Command, self).handle(*args, **options))
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")

    def _try(self, act: Callable[[], object]) -> None:
        from psycopg.errors import LockNotAvailable

        for _ in range(TRIES):
            try:
                act()
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                self.stderr.write(f"A table is in use. Trying again in {PAUSE_SECONDS:g} s.")
                time.sleep(PAUSE_SECONDS)
            else:
                return
        raise CommandError(
            "A table is in use without a pause. Look for long transactions in pg_stat_activity, "
            "and run the command again."
        )
