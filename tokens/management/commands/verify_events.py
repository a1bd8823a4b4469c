"""Verify the audit trail."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from tokens.audit.tampered import Tampered
from tokens.audit.trusted_seals import count_unsealed, newest_seal
from tokens.audit.verify import compare
from tokens.management.base import TokensCommand, whole_number

# A seal alone, or at the end of what seal_events prints, also behind the prefix of a log.
SEAL = re.compile(r"(?:^|Newest seal: )(?P<number>[0-9]{1,18}):(?P<digest>[0-9a-f]{64})$")
NO_SEAL_YET = "Newest seal: none"


class Command(TokensCommand):
    help = (
        "Verify the audit trail against its seals, and name every event that was changed, "
        "removed or added. The exit status is then 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="SEAL",
            help="A seal that was kept on another host, as seal_events prints it (12:ab34…), or "
            "a file with one on each line, or of lines that it printed. Without one, removing the "
            "newest seals together with their events goes unnoticed.",
        )
        parser.add_argument(
            "--from", dest="start", type=whole_number(1, 10**18), default=1, metavar="NUMBER",
            help="Continue with this seal, after an interruption.",
        )  # fmt: skip

    def handle(self, *, against: list[str], start: int, as_json: bool, **_: object) -> None:
        kept = _kept(against)
        newest = newest_seal()
        if start > 1 and (newest is None or start > newest.number):
            last = f"The newest is {newest.number}." if newest else "There are none."
            raise CommandError(f"There is no seal {start}. {last}")
        if kept and min(kept) < start:
            raise CommandError(
                f"--from {start} leaves out seal {min(kept)}, which --against names. "
                f"Start at seal {min(kept)} or before it."
            )
        events, number = 0, start
        found: list[Tampered] = []
        try:
            with self.bar(unit="seal", total=newest.number if newest else 0) as bar:
                bar.update(number - 1)
                for seal in compare(start=number, against=kept):
                    if isinstance(seal, Tampered):
                        found.append(seal)
                        continue
                    newest, number = seal, seal.number + 1
                    events += seal.count
                    bar.update()
        except KeyboardInterrupt:
            self.stderr.write(f"Interrupted; continue with --from {number}")
            sys.exit(130)
        if found:
            lines = list(map(str, found))
            facts = {
                "intact": False,
                **_facts(found[0]),
                "message": lines[0],
                "differences": [_facts(difference) for difference in found],
            }
            self.tell(facts, "\n".join(lines), as_json=as_json)
            sys.exit(1)
        rest = count_unsealed(after=newest)
        seals = number - 1
        facts = {"intact": True, "events": events, "seals": seals, "unsealed": rest}
        line = (
            f"Intact: {_counted(events, 'event')} under {_counted(seals, 'seal')}. "
            f"Not sealed yet: {_counted(rest, 'event')}."
        )
        if not kept:
            line += "\nWithout --against, removed newest seals go unnoticed."
        self.tell(facts, line, as_json=as_json)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _facts(found: Tampered) -> dict[str, str | int | None]:
    return {"what": found.what, "seal": found.seal, "event": found.event, "last": found.last}


def _kept(given: list[str]) -> dict[int, str]:
    """Read the seals that were kept: each one, or a file of lines as `seal_events` prints them."""
    kept: dict[int, str] = {}
    for text in given:
        found = dict(_seals_in(_lines_of(text)))
        if not found:
            raise CommandError(f"--against {text!r} contains no seal.")
        for number, digest in found.items():
            if kept.setdefault(number, digest) != digest:
                raise CommandError(f"Seal {number} is given with two digests.")
    return kept


def _lines_of(text: str) -> list[str]:
    if not text.strip() or SEAL.search(text.strip()) or text.startswith("{"):
        return [text]
    try:
        return Path(text).read_text().splitlines()
    except FileNotFoundError as error:
        message = f"There is no file {text!r}, and a seal looks like 12:ab34…, with 64 digits."
        raise CommandError(message) from error
    except OSError as error:
        raise CommandError(f"{text}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{text!r} is not a file of text.") from error


def _seals_in(lines: list[str]) -> Iterator[tuple[int, str]]:
    for line in filter(None, map(str.strip, lines)):
        seal = _newest_of(line) if "{" in line else line
        if not seal.endswith(NO_SEAL_YET):
            found = SEAL.search(seal)
            if found is None:
                raise CommandError(f"{line!r} is not a seal. A seal looks like 12:ab34…")
            yield int(found["number"]), found["digest"]


def _newest_of(line: str) -> str:
    """Return the newest seal in a line of ``seal_events --json``, or "" if it is no such line."""
    try:
        return json.loads(line[line.index("{") :])["newest"] or NO_SEAL_YET
    except (ValueError, KeyError, TypeError):
        return ""
