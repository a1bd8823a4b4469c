"""Seal the audit trail."""

from django.core.management.base import CommandError, CommandParser

from tokens.audit.rollup import roll_up
from tokens.audit.seal import ReplacedKey, SealsLocked, seal_events
from tokens.audit.trusted_seals import count_unsealed, newest_seal
from tokens.audit.watermark import StillWriting
from tokens.management.base import TokensCommand, seconds


class Command(TokensCommand):
    help = (
        "Seal the events that were written since the newest seal, and update the sums for the "
        "charts. Run it every minute. Keep the seal that it prints on another host, for "
        "verify_events --against."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--wait",
            type=seconds(0, 3600),
            default=30.0,
            help="Seconds to wait for open transactions that write events (default 30).",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print how many events would be sealed."
        )

    def handle(self, *, wait: float, dry_run: bool, as_json: bool, **_: object) -> None:
        if dry_run:
            waiting = count_unsealed(after=newest_seal())
            self.tell({"would_seal": waiting}, f"{waiting} events to seal.", as_json=as_json)
            return
        events = seals = 0
        newest = newest_seal()
        waiting = count_unsealed(after=newest)
        try:
            with self.bar(unit="event", unit_scale=True, total=waiting) as bar:
                for seal in seal_events(last=newest, wait=wait):
                    newest = seal
                    events, seals = events + seal.count, seals + 1
                    bar.update(seal.count)
            for _reached in roll_up(wait=wait):
                pass
        except (StillWriting, SealsLocked, ReplacedKey) as error:
            raise CommandError(f"{error}; {events} events were sealed. Run it again.") from error
        facts = {"events": events, "seals": seals, "newest": str(newest) if newest else None}
        self.tell(
            facts, f"Sealed {events} events. Newest seal: {newest or 'none'}", as_json=as_json
        )
