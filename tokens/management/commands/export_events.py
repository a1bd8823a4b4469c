import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tokens.audit.export import FORMATS, export
from tokens.management.long import LongCommand, instant
from tokens.models import Kind
from tokens.selectors.events import events


class Command(LongCommand):
    help = "Export the audit trail as CSV, JSON Lines or ECS. The export is itself an event."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--format", choices=sorted(FORMATS), default="jsonl")
        parser.add_argument("--output", metavar="FILE", help="A new file; standard output if none.")
        parser.add_argument("--kind", action="append", choices=Kind.values)
        parser.add_argument("--subject", type=int, metavar="USER_ID")
        parser.add_argument("--actor", type=int, metavar="USER_ID")
        parser.add_argument("--session", metavar="SID")
        parser.add_argument("--jti", default="")
        parser.add_argument("--ip")
        parser.add_argument("--after", type=instant, metavar="INSTANT")
        parser.add_argument("--before", type=instant, metavar="INSTANT")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("kind", "subject", "actor", "session", "jti", "ip", "after", "before")
        filters = {name: options[name] for name in names if options[name]}
        shown = {name: value if name == "kind" else str(value) for name, value in filters.items()}
        if options["json"] and not options["output"]:
            raise CommandError("--json needs --output: the export itself goes to standard output.")
        target = self._open(options["output"])
        try:
            chunks = export(
                events=events(**filters), form=options["format"], actor=None, filters=shown
            )
        except BaseException:
            target.close()
            if options["output"]:
                os.unlink(options["output"])  # empty, and in the way of the next attempt
            raise
        written = 0
        with target:
            for chunk in self.bar(chunks, unit="chunk", unit_scale=True):
                written += target.write(chunk)
        if options["output"]:
            facts = {"file": options["output"], "format": options["format"], "characters": written}
            self.tell(facts, f"Wrote {options['output']}.", as_json=options["json"])

    @staticmethod
    def _open(path: str | None) -> Any:
        if not path:
            return open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="")
        try:
            # For its owner alone from its first instant on: names and addresses are in it.
            handle = os.open(Path(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        return open(handle, "w", encoding="utf-8", newline="")
