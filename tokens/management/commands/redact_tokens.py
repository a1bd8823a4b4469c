from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q

from tokens.claims import redact
from tokens.management.long import LongCommand
from tokens.management.purging import id_range
from tokens.models import OutstandingToken

WINDOW = 2_000


class Command(LongCommand):
    help = (
        "Take the signatures out of stored tokens: plain simplejwt, or another service on the "
        "same tables, stores whole ones. The tokens go on to work; the rows no longer open "
        "anything. Safe to interrupt and to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Count, and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        low, high = id_range()
        found = 0
        with self.bar(total=high - low + 1, unit="id", unit_scale=True) as bar:
            for window in self._windows(low, high):
                rows = list(window.only("pk", "token"))
                found += len(rows)
                if rows and not options["dry_run"]:
                    for row in rows:
                        row.token = redact(row.token)
                    OutstandingToken.objects.bulk_update(rows, ["token"], batch_size=200)
                bar.update(WINDOW)
        facts = {"dry_run": options["dry_run"], "redacted": found}
        verb = "would be redacted" if options["dry_run"] else "redacted"
        self.tell(facts, f"{found} tokens {verb}.", as_json=options["json"])

    @staticmethod
    def _windows(low: int, high: int) -> Iterator[Any]:
        for start in range(low, high + 1, WINDOW):
            window = OutstandingToken.objects.filter(pk__gte=start, pk__lt=start + WINDOW)
            yield window.exclude(Q(token__endswith=".") | Q(token=""))  # noqa: S106
