"""Send mails to the owners of accounts."""

import signal
import sys
import time
from collections import Counter

from django.core.management.base import CommandError, CommandParser

from tokens.audit.watermark import StillWriting
from tokens.conf import app_settings
from tokens.management.base import TokensCommand, seconds
from tokens.models import NoticeState
from tokens.notices.send import ServerFault, counts, send_due, try_again
from tokens.notices.trail import read_trail


class Command(TokensCommand):
    help = (
        "Tell the owners of accounts by mail of new devices and networks, of changed passwords and "
        "factors, and of revocations by staff. A run that was killed is continued by the next one, "
        "and no mail is sent twice. The exit status is 1 if the mail server failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--follow", action="store_true", help="Run until stopped, as a service."
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="Also send the mails that failed, and those that are unconfirmed: their "
            "owners may get these a second time.",
        )
        parser.add_argument(
            "--pause",
            type=seconds(0.1, 3600),
            default=5.0,
            help="Seconds between rounds with --follow. What happens in one is one mail.",
        )

    def handle(
        self, *, follow: bool, again: bool, pause: float, as_json: bool, **_: object
    ) -> None:
        if not app_settings.PORTAL_URL:
            raise CommandError("PORTAL_URL must be set: the links in the mails begin with it.")
        if again and follow:
            raise CommandError("--again needs a run without --follow.")
        if again:
            try_again()
        if not follow:
            sent, fault = self._round()
            self._report(sent, fault, as_json)
            if fault:
                sys.exit(1)
            return
        # Ended in the middle of a mail, the process would leave it unconfirmed.
        signal.signal(signal.SIGTERM, self._stop)
        while not self.stopped:
            sent, fault = self._round()
            if sent or fault:
                self._report(sent, fault, as_json)
                self.stdout.flush()
            self._wait(pause)

    stopped = False

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _wait(self, pause: float) -> None:
        until = time.monotonic() + pause
        while not self.stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))

    def _round(self) -> tuple[int, str]:
        """Read the trail and send what is due. Return the number of mails, and what failed."""
        went: Counter[NoticeState] = Counter()
        fault = ""
        try:
            for _mails in read_trail():
                pass
        except StillWriting as error:
            fault = str(error)
        try:
            for state in send_due():
                went[state] += 1
                if self.stopped:
                    break
        except ServerFault as error:
            fault = str(error)
        return went[NoticeState.SENT], fault

    def _report(self, sent: int, fault: str, as_json: bool) -> None:
        left = counts()
        line = (
            f"Sent {sent} mails. {left['waiting']} wait, {left['unconfirmed']} are unconfirmed, "
            f"{left['failed']} failed."
        )
        if fault:
            line += f" The mail server: {fault}"
        self.tell({"sent": sent, **left, "error": fault or None}, line, as_json=as_json)
