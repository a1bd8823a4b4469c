from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from tokens.management import purging
from tokens.management.long import LongCommand
from tokens.models import LoginThrottle, OutstandingToken, Session


class Command(LongCommand):
    help = (
        "Remove outstanding tokens that have expired, sessions that have ended, and counters of "
        "login attempts that are over. Nothing that could still be accepted, here or at another "
        "service on the same tables, is touched. The audit trail is not either: purge_events."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--days",
            type=int,
            default=1,
            help="Keep what expired within this many days (default 1: clocks and leeways of "
            "other services differ).",
        )
        parser.add_argument("--reason", default="purge")
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["days"] < 0:
            raise CommandError("--days must not be negative.")
        now = timezone.now()
        before = now - timedelta(days=options["days"])
        if options["dry_run"]:
            facts = {
                "tokens": OutstandingToken.objects.filter(expires_at__lt=before).count(),
                "sessions": Session.objects.filter(expires_at__lt=before).count(),
                "counters": LoginThrottle.objects.filter(resets_at__lt=now).count(),
            }
            line = f"Would remove {facts['tokens']} tokens and {facts['sessions']} sessions."
            self.tell({"dry_run": True, **facts}, line, as_json=options["json"])
            return
        reason = options["reason"]
        low, high = purging.id_range()
        tokens = sessions = 0
        with self.bar(total=high - low + 1, unit="id", unit_scale=True) as bar:
            for seen, gone in purging.purge_tokens(before=before, reason=reason):
                tokens += gone
                bar.update(seen)
        for gone in purging.purge_sessions(before=before, reason=reason):
            sessions += gone
        purging.purge_revoked()
        counters = purging.purge_counters(now=now, reason=reason)
        facts = {"tokens": tokens, "sessions": sessions, "counters": counters}
        line = f"Removed {tokens} tokens, {sessions} sessions, {counters} counters."
        self.tell(facts, line, as_json=options["json"])
