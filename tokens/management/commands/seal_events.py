from typing import Any

from django.core.management.base import CommandError, CommandParser

from tokens.audit.rollup import roll_up
from tokens.audit.seal import newest_seal, seal_events
from tokens.audit.settled import StillWriting
from tokens.audit.verify import unsealed
from tokens.management.long import LongCommand


class Command(LongCommand):
    help = (
        "Seal the audit trail: close what was written since the last seal, and bring the sums of "
        "the charts up to date. Run it each minute or so. It prints the newest seal; keep that "
        "somewhere else, and verify_events --against it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--wait",
            type=float,
            default=30.0,
            help="Seconds to wait for writers that are at it (default 30).",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say how much would be sealed.")

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["json"]
        if options["dry_run"]:
            waiting = unsealed()
            self.tell({"would_seal": waiting}, f"{waiting} events to seal.", as_json=as_json)
            return
        events = seals = 0
        try:
            with self.bar(unit="event", unit_scale=True, total=unsealed()) as bar:
                for seal in seal_events(wait=options["wait"]):
                    events, seals = events + seal.count, seals + 1
                    bar.update(seal.count)
            for _reached in roll_up(wait=options["wait"]):
                pass
        except StillWriting as error:
            raise CommandError(f"{error}; {events} events were sealed. Run it again.") from error
        newest = newest_seal()
        facts = {"events": events, "seals": seals, "newest": str(newest) if newest else None}
        self.tell(
            facts, f"Sealed {events} events. Newest seal: {newest or 'none'}", as_json=as_json
        )
