from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tokens.audit.retention import NotYet, removable, remove_events
from tokens.audit.settled import StillWriting
from tokens.audit.verify import Tampered
from tokens.management.long import LongCommand


class Command(LongCommand):
    help = (
        "Retention: remove events that are older than --days, whole sealed stretches at a time. "
        "Their seals stay, and say so; verify_events goes on to work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--days", type=int, required=True, help="Keep this many days.")
        parser.add_argument("--reason", default="retention")
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] < 1:
            raise CommandError("--days must be at least 1.")
        before = timezone.now() - timedelta(days=options["days"])
        total = sum(seal.count for seal in removable(before=before))
        if options["dry_run"]:
            facts = {"would_remove": total}
            self.tell(facts, f"{total} events would be removed.", as_json=options["json"])
            return
        removed = 0
        try:
            with self.bar(total=total, unit="event", unit_scale=True) as bar:
                for step in remove_events(before=before, actor=None, reason=options["reason"]):
                    removed += step
                    bar.update(step)
        except (Tampered, NotYet, StillWriting) as error:
            raise CommandError(f"{error} {removed} events were removed before that.") from error
        self.tell({"removed": removed}, f"Removed {removed} events.", as_json=options["json"])
