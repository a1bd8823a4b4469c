"""Share what the management commands of the app have in common."""

import getpass
import json
import math
import socket
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from tqdm import tqdm

from tokens.jwt.redaction import redact_text
from tokens.listing.search import is_storable
from tokens.origin import COMMAND, Origin, acting_from

# A century: longer than anything is kept.
MAX_DAYS = 36_500
# PostgreSQL's code for a statement that the role has no right to.
INSUFFICIENT_PRIVILEGE = "42501"
DJANGO_OPTIONS: dict[str, dict[str, Any]] = {
    "--settings": {},
    "--pythonpath": {},
    "--verbosity": {"type": int, "choices": range(4)},
    **{
        f"--{switch}": {"action": "store_true"}
        for switch in ("traceback", "no-color", "force-color", "skip-checks")
    },
}


class OneLineParser(CommandParser):
    """Report a mistake in the command line in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        if self.called_from_command_line:
            self.exit(2, f"{self.prog}: {' '.join(message.split())} (see --help)\n")
        raise CommandError(f"Error: {message}")


class TokensCommand(BaseCommand):
    """Add ``--json``, a progress bar and clean exits to a command.

    The command runs with an origin that names the command, the host and the account of the
    operating system. The audit trail shows it for acts that have no actor.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="Print the result as JSON."
        )

    def add_acts(self, parser: CommandParser, acts: Mapping[str, str]) -> dict[str, CommandParser]:
        """Add the parsers of a command's acts, which ``acts`` names and describes.

        Django's own options and ``--json`` are accepted after the name of an act.
        """
        given = parser.add_subparsers(dest="act", required=True, parser_class=OneLineParser)
        parsers: dict[str, CommandParser] = {}
        for name, text in acts.items():
            parsers[name] = given.add_parser(name, help=text, description=text)
            TokensCommand.add_arguments(self, parsers[name])
            for option, form in DJANGO_OPTIONS.items():
                # Without a default, an option before the act is kept.
                parsers[name].add_argument(option, default=SUPPRESS, help=SUPPRESS, **form)
        return parsers

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django names the class of its parser in the method that also adds its own options.
        parser.__class__ = OneLineParser
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """Redact tokens in the arguments before a message can repeat them."""
        super().run_from_argv([*argv[:2], *map(redact_text, argv[2:])])

    def execute(self, *args: str, **options: object) -> str | None:
        options = {name: _redact(value) for name, value in options.items()}
        name = type(self).__module__.rpartition(".")[2]
        origin = Origin(
            client=f"{COMMAND}{name}", user_agent=f"{_account()}@{socket.gethostname()}"
        )
        try:
            with acting_from(origin):
                return super().execute(*args, **options)
        except Error as error:
            if lacking := _lacking_tables():
                raise CommandError(lacking) from error
            if getattr(error.__cause__, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
                raise CommandError(
                    "The database role may not do this: run the command with the role that owns "
                    "the tables. Batches that were committed before are kept."
                ) from error
            # Print only the kind of error: a driver's message may quote parameters.
            raise CommandError(
                f"The database failed ({type(error).__name__}). Batches that were committed before "
                "are kept; the current one was rolled back."
            ) from error
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. Finished batches are kept; run it again to continue.")
            sys.exit(130)

    def bar(self, steps: Iterable[object] | None = None, **options: object) -> tqdm:
        """Return a tqdm progress bar, which is silent unless standard error is a terminal."""
        return tqdm(steps, file=sys.stderr, disable=not sys.stderr.isatty(), **options)

    def tell(self, facts: Mapping[str, object], line: str, *, as_json: bool) -> None:
        """Write the result to standard output: ``facts`` as JSON, or ``line`` for people."""
        self.stdout.write(json.dumps(facts, default=str) if as_json else line)


def _lacking_tables() -> str:
    """Say in one line that the database lacks tables of the app, or return ""."""
    try:
        existing = set(connection.introspection.table_names())
    except Error:
        return ""
    ours = {model._meta.db_table for model in apps.get_app_config("tokens").get_models()}
    name = connection.settings_dict["NAME"]
    if ours.isdisjoint(existing):
        return (
            f"The database {name} has no tables: run manage.py migrate, or set DATABASE_URL to "
            "the right database."
        )
    if missing := sorted(ours - existing):
        return f"The database {name} lacks the table {missing[0]}: run manage.py migrate."
    return ""


def _redact(value: object) -> object:
    """Redact tokens in the value of an option."""
    if isinstance(value, str):
        return redact_text(value)
    return [_redact(item) for item in value] if isinstance(value, list) else value


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers of the command line between two limits."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.lstrip("-").isdecimal() else None
        if number is None or not minimum <= number <= maximum:
            message = f"{text!r} is not a whole number between {minimum} and {maximum}."
            raise ArgumentTypeError(message)
        return number

    return parse


def seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of seconds of the command line between two limits."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not minimum <= number <= maximum:
            message = f"{text!r} is not a number of seconds between {minimum:g} and {maximum:g}."
            raise ArgumentTypeError(message)
        return number

    return parse


def parse_instant(text: str) -> datetime:
    """Parse an ISO 8601 date or time of the command line; without a zone, it is in `TIME_ZONE`."""
    try:
        parsed = parse_datetime(text)
        if parsed is None and (day := parse_date(text)) is not None:
            parsed = datetime.combine(day, datetime.min.time())
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a valid date: {error}") from error
    if parsed is None or not is_storable(parsed):
        message = f"{text!r} is not a date. Write 2026-11-24 or 2026-11-24T13:00:00Z."
        raise ArgumentTypeError(message)
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # the account has no name, as in some containers
        return "?"
