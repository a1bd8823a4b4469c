"""Remove old events from the audit trail."""

from datetime import timedelta

from django.core.management.base import CommandError, CommandParser

from tokens.audit.partitions import EventsLocked
from tokens.audit.retention import NotYet, Overtaken, removable_seals, remove_events
from tokens.audit.seal import ReplacedKey, SealsLocked
from tokens.audit.tampered import Tampered
from tokens.audit.watermark import StillWriting
from tokens.db import clock
from tokens.management.base import MAX_DAYS, TokensCommand, whole_number
from tokens.management.filters import text

STOPS = (Tampered, NotYet, Overtaken, ReplacedKey, SealsLocked, EventsLocked, StillWriting)


class Command(TokensCommand):
    help = (
        "Remove sealed events that are older than --days. Their seals stay, so verify_events "
        "still works."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--days",
            type=whole_number(1, MAX_DAYS),
            required=True,
            help="Keep events for this many days.",
        )
        parser.add_argument(
            "--reason", type=text, default="retention", help="The reason for the audit trail."
        )
        parser.add_argument("--dry-run", action="store_true", help="Count, but delete nothing.")

    def handle(self, *, days: int, reason: str, dry_run: bool, as_json: bool, **_: object) -> None:
        before = clock.now() - timedelta(days=days)
        found = removable_seals(before=before)
        for forged in found.forged:
            self.stderr.write(f"{forged} It counts for nothing. Run verify_events.")
        if dry_run:
            facts = {"would_remove": found.events}
            self.tell(facts, f"{found.events} events would be removed.", as_json=as_json)
            return
        removed = 0
        try:
            with self.bar(total=found.events, unit="event", unit_scale=True) as bar:
                for step in remove_events(before=before, actor=None, reason=reason):
                    removed += step
                    bar.update(step)
        except STOPS as error:
            raise CommandError(f"{error} {removed} events were removed before that.") from error
        self.tell({"removed": removed}, f"Removed {removed} events.", as_json=as_json)
