"""What the commands have in common: words for people or JSON for scripts, progress on a
terminal, and an interruption that is no accident."""

import getpass
import json
import socket
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from tokens.origin import Origin, acting_from


class LongCommand(BaseCommand):
    """`handle` runs with an origin that names the command, the host and the account of the
    operating system, so that the trail says where an act without an actor came from."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the outcome as JSON.")

    def execute(self, *args: Any, **options: Any) -> str | None:
        name = type(self).__module__.rpartition(".")[2]
        where = Origin(
            client=f"manage.py {name}", user_agent=f"{_account()}@{socket.gethostname()}"
        )
        try:
            with acting_from(where):
                return super().execute(*args, **options)
        except Error as error:
            # Only the kind of error: the message of a driver may quote parameters.
            raise CommandError(
                f"The database could not do it ({type(error).__name__}). What was committed "
                "before stays done; nothing is half done."
            ) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. What was done stays done; run it again to go on.")
            sys.exit(130)

    def bar(self, steps: Iterable[Any] | None = None, **options: Any) -> Any:
        """A progress bar, on a terminal only."""
        return tqdm(steps, file=sys.stderr, disable=not sys.stderr.isatty(), **options)

    def tell(self, facts: dict[str, Any], line: str, *, as_json: bool) -> None:
        self.stdout.write(json.dumps(facts, default=str) if as_json else line)


def instant(text: str) -> datetime:
    """An instant of the command line: ISO 8601; without a zone, in the server's."""
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)) is not None:
            found = datetime.combine(day, datetime.min.time())
    except ValueError as error:
        raise CommandError(f"{text!r} is no date: {error}") from error
    if found is None:
        raise CommandError(f"{text!r} is no date; write 2026-11-24 or 2026-11-24T13:00:00Z.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "?"
