import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from tokens.audit.post import Receiver, Undelivered
from tokens.audit.settled import StillWriting
from tokens.audit.webhook import Busy, deliver, due_in, reader
from tokens.management.long import LongCommand


class Command(LongCommand):
    help = (
        "Deliver the audit trail to WEBHOOK_URL: at least once, in order, with growing pauses "
        "after failures. It may be killed at any time; the next run goes on where it stood."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--follow", action="store_true", help="Go on for ever, as a service.")
        parser.add_argument(
            "--from-start",
            action="store_true",
            help="A new receiver gets the whole trail, not only what happens from now on.",
        )
        parser.add_argument("--timeout", type=float, default=10.0, help="Seconds for an answer.")
        parser.add_argument("--pause", type=float, default=1.0, help="With --follow: seconds.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.WEBHOOK_URL or not settings.WEBHOOK_SECRET:
            raise CommandError("WEBHOOK_URL and WEBHOOK_SECRET must both be set.")
        try:
            receiver = Receiver(settings.WEBHOOK_URL, timeout=min(options["timeout"], 25.0))
        except ValueError as error:
            raise CommandError(str(error)) from error
        row = reader(from_start=options["from_start"])
        if not options["follow"]:
            if (pause := due_in(row)) > 0:
                facts = {"delivered": 0, "through": row.last_id, "next_try_in": round(pause, 1)}
                line = f"The last attempt failed ({row.error}); the next is due in {pause:.0f} s."
                self.tell(facts, line, as_json=options["json"])
                return
            delivered, failure = self._round(receiver)
            self._report(delivered, failure, options["json"])
            if failure:
                sys.exit(1)
            return
        while True:
            delivered, failure = self._round(receiver)
            if delivered or failure:
                self._report(delivered, failure, options["json"])
                self.stdout.flush()
            time.sleep(max(options["pause"], due_in(reader())))

    def _round(self, receiver: Receiver) -> tuple[int, str]:
        delivered = 0
        try:
            for step in deliver(receiver=receiver):
                delivered += step.events
        except Undelivered as error:
            return delivered, str(error)
        except Busy:
            return delivered, "somebody else delivers just now"
        except StillWriting as error:
            return delivered, str(error)
        return delivered, ""

    def _report(self, delivered: int, error: str, as_json: bool) -> None:
        row = reader()
        facts = {"delivered": delivered, "through": row.last_id, "error": error or None}
        line = f"Delivered {delivered} events, through {row.last_id}."
        if error:
            line += f" Then: {error}; the next attempt is due in {due_in(row):.0f} s."
        self.tell(facts, line, as_json=as_json)
