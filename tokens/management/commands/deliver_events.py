"""Deliver the audit trail to the webhook."""

import sys
import time

from django.core.management.base import CommandError, CommandParser

from tokens.audit.delivery.http import Receiver, Undelivered
from tokens.audit.delivery.lease import Busy
from tokens.audit.delivery.webhook import (
    deliver,
    due_in,
    position,
    reader,
    start_again,
)
from tokens.audit.watermark import StillWriting
from tokens.conf import app_settings
from tokens.management.base import TokensCommand, seconds
from tokens.models import TrailReader

# A receiver that is silent for longer has failed; the request is repeated after a pause.
LONGEST_TIMEOUT = 25.0


class Command(TokensCommand):
    help = (
        "Deliver the audit trail to WEBHOOK_URL: at least once, in order, with growing pauses "
        "after failures. A run that was killed is continued by the next one. The exit status is "
        "1 if the receiver failed, and until the next attempt is due."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--follow", action="store_true", help="Run until stopped, as a service."
        )
        parser.add_argument(
            "--from-start",
            action="store_true",
            help="Send the whole trail to a new receiver, not only new events.",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="With --from-start: send the whole trail again to a receiver that has a part.",
        )
        parser.add_argument(
            "--timeout",
            type=seconds(0.1, LONGEST_TIMEOUT),
            default=10.0,
            help="Seconds to wait for a response (at most 25).",
        )
        parser.add_argument(
            "--pause",
            type=seconds(0.1, 3600),
            default=1.0,
            help="Seconds between deliveries with --follow.",
        )

    def handle(
        self,
        *,
        follow: bool,
        from_start: bool,
        again: bool,
        timeout: float,
        pause: float,
        as_json: bool,
        **_: object,
    ) -> None:
        if not app_settings.WEBHOOK_URL or not app_settings.WEBHOOK_SECRET:
            raise CommandError("WEBHOOK_URL and WEBHOOK_SECRET must both be set.")
        try:
            receiver = Receiver(app_settings.WEBHOOK_URL, timeout=timeout)
        except ValueError as error:
            raise CommandError(str(error)) from error
        row = self._start(follow, from_start, again)
        if not follow:
            if (pause := due_in(row)) > 0:
                facts = {"delivered": 0, "through": row.last_id, "next_try_in": round(pause, 1)}
                line = f"The last attempt failed ({row.error}); the next is due in {pause:.0f} s."
                self.tell(facts, line, as_json=as_json)
                sys.exit(1)
            delivered, failure = self._round(receiver)
            self._report(delivered, failure, as_json)
            if failure:
                sys.exit(1)
            return
        while True:
            delivered, failure = self._round(receiver)
            if delivered or failure:
                self._report(delivered, failure, as_json)
                self.stdout.flush()
            time.sleep(max(pause, due_in(reader())))

    def _start(self, follow: bool, from_start: bool, again: bool) -> TrailReader:
        """Return the receiver's row, which a start from the first event creates or resets."""
        if again and (follow or not from_start):
            raise CommandError(
                "--again needs --from-start, and not --follow: each restart of a service would "
                "send the whole trail again."
            )
        if from_start and (reached := position()):
            if not again:
                raise CommandError(
                    f"The receiver has the trail through event {reached} already. To continue "
                    "there, leave out --from-start; to send it all again, run once with "
                    "--from-start --again."
                )
            try:
                start_again()
            except Busy as error:
                raise CommandError("Another process is delivering. Stop it first.") from error
        return reader(from_start=from_start)

    def _round(self, receiver: Receiver) -> tuple[int, str]:
        delivered = 0
        try:
            for step in deliver(receiver=receiver):
                delivered += step.events
        except Undelivered as error:
            return delivered, str(error)
        except Busy:
            return delivered, "another process is delivering"
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
