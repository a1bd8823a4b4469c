import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from tokens.audit.seal import newest_seal
from tokens.audit.verify import Tampered, unsealed, verify_events
from tokens.management.long import LongCommand


class Command(LongCommand):
    help = (
        "Verify the audit trail against its seals, and name the first event that was changed, "
        "removed or added. Exit status 1 if there is one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="SEAL",
            help="A seal that was kept elsewhere, as seal_events prints it (12:ab34…), or a file "
            "of such lines. Without one nobody can tell that the newest seals were cut off.",
        )
        parser.add_argument(
            "--from", dest="start", type=int, default=1, metavar="NUMBER",
            help="Go on from this seal, after an interruption.",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["json"]
        kept = _kept(options["against"])
        newest = newest_seal()
        events, number = 0, max(1, options["start"])
        try:
            with self.bar(unit="seal", total=newest.number if newest else 0) as bar:
                bar.update(number - 1)
                for seal in verify_events(start=number, against=kept):
                    number = seal.number + 1
                    events += seal.count
                    bar.update()
        except Tampered as found:
            facts = {"intact": False, "what": found.what, "seal": found.seal, "event": found.event}
            self.tell({**facts, "message": str(found)}, str(found), as_json=as_json)
            sys.exit(1)
        except KeyboardInterrupt:
            self.stderr.write(f"Interrupted; go on with --from {number}")
            sys.exit(130)
        rest = unsealed()
        facts = {"intact": True, "events": events, "seals": number - 1, "unsealed": rest}
        line = f"Intact: {events} events under {number - 1} seals; {rest} are not sealed yet."
        if not kept:
            line += "\nNo seal was given to go by (--against): a cut-off end would not show."
        self.tell(facts, line, as_json=as_json)


def _kept(given: list[str]) -> dict[int, str]:
    lines: list[str] = []
    for text in given:
        path = Path(text)
        lines += path.read_text().splitlines() if path.is_file() else [text]
    kept: dict[int, str] = {}
    for line in filter(str.strip, lines):
        seal = line.strip()
        try:
            if seal.startswith("{"):
                seal = json.loads(seal)["newest"]
            number, _, digest = seal.partition(":")
            if len(digest) != 64:
                raise ValueError(seal)
            kept[int(number)] = digest
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"{line!r} is no seal; it looks like 12:ab34…") from error
    return kept
