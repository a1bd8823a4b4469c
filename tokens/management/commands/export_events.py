import os
import sys
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandError, CommandParser

from tokens.audit.export import FORMATS, export
from tokens.listing.events import EventQuery
from tokens.management.base import TokensCommand
from tokens.management.filters import add_filters, read_filters
from tokens.models import Kind

# The filter that this command can take several times.
SEVERAL = ("kind",)


class Command(TokensCommand):
    help = "Export the audit trail as CSV, JSON Lines or ECS. The export is itself an event."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--format",
            choices=sorted(FORMATS),
            default="jsonl",
            help="The format of the export. The default is jsonl.",
        )
        parser.add_argument(
            "--output", metavar="FILE", help="A new file. The default is standard output."
        )
        parser.add_argument(
            "--kind",
            action="append",
            choices=Kind.values,
            help="Kind of the event; can be given several times.",
        )
        add_filters(parser, EventQuery, without=SEVERAL)

    def handle(self, *, format: str, output: str | None, as_json: bool, **options: object) -> None:
        filters = read_filters(EventQuery, options)
        if "kind" in filters:
            filters["kind"] = tuple(filters["kind"])
        shown = {
            name: list(value) if name == "kind" else str(value) for name, value in filters.items()
        }
        if as_json and not output:
            raise CommandError("--json needs --output: the export itself goes to standard output.")
        target = self._open(output)
        try:
            rows = EventQuery(**filters).rows()
            chunks = export(events=rows, form=format, actor=None, filters=shown)
        except BaseException:
            target.close()
            if output:
                # It is empty, and a second run would refuse to overwrite it.
                os.unlink(output)
            raise
        written = 0
        with target:
            for chunk in self.bar(chunks, unit="chunk", unit_scale=True):
                written += target.write(chunk)
        if output:
            facts = {"file": output, "format": format, "characters": written}
            self.tell(facts, f"Wrote {output}.", as_json=as_json)

    @staticmethod
    def _open(path: str | None) -> TextIO:
        if not path:
            return open(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="")
        try:
            # Only the owner may read it, from its creation on: it holds names and addresses.
            handle = os.open(Path(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        return open(handle, "w", encoding="utf-8", newline="")
