import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Min

from tokens.listing.search import is_storable
from tokens.management.base import TokensCommand
from tokens.models import Event
from tokens.models.kinds import REVERTED
from tokens.revocation import cut_off

SOME = 1000


class Command(TokensCommand):
    help = (
        "After a backup was restored: revoke everything that it brought back to life, and name "
        "what else it took back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="restored a backup", help="Recorded in the trail.")
        parser.add_argument(
            "--trail",
            metavar="FILE",
            help="The events as JSON lines, from the log, the webhook or an export. What happened "
            "after the backup is in them alone.",
        )

    def handle(self, *, reason: str, trail: str | None, as_json: bool, **_: object) -> None:
        lost = _lost(trail) if trail else []
        ended = cut_off(actor=None, reason=reason)
        reverted = [_described(event) for event in lost if event.get("kind") in REVERTED]
        facts = {
            "sessions": ended.sessions,
            "tokens": ended.tokens,
            "lost_events": len(lost) if trail else None,
            "reverted": reverted,
        }
        self.tell(facts, "\n".join(_lines(facts)), as_json=as_json)


def _lost(trail: str) -> list[Mapping[str, Any]]:
    """Return the events of a file that the restored trail lacks. A file without any is an error."""
    try:
        with Path(trail).open(encoding="utf-8", errors="replace") as lines:
            events = filter(None, map(_event_of, lines))
            first = next(events, None)
            if first is None:
                raise CommandError(f"{trail} holds no event as a JSON line. Nothing was changed.")
            return list(_unknown(chain([first], events)))
    except OSError as error:
        raise CommandError(f"{trail}: {error.strerror}") from error


def _unknown(events: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the events that are not in the trail, each once.

    What is older than the trail was purged from it, and not lost.
    """
    oldest = Event.objects.aggregate(pk=Min("pk"))["pk"] or 0
    seen: set[tuple[int, datetime]] = set()
    while some := list(islice(events, SOME)):
        ids = [event["id"] for event in some]
        seen.update(Event.objects.filter(pk__in=ids).values_list("pk", "at"))
        for event in some:
            key = (event["id"], datetime.fromisoformat(event["at"]))
            if event["id"] >= oldest and key not in seen:
                seen.add(key)
                yield event


def _event_of(line: str) -> Mapping[str, Any] | None:
    """Read the event in a line, behind whatever the log wrote before it; None without one."""
    _before, brace, rest = line.partition("{")
    try:
        event = json.loads(brace + rest)
        at = datetime.fromisoformat(event["at"])
        known = is_storable(at) and at.tzinfo is not None and 0 < event["id"] < 2**63
        return event if known and isinstance(event["kind"], str) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _described(event: Mapping[str, Any]) -> dict[str, object]:
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    names = (event.get("subject_name"), *(data.get(name) for name in ("service", "kid")))
    return {
        "at": event["at"],
        "name": next((str(name) for name in names if name), "?"),
        "kind": event["kind"],
        "now": REVERTED[event["kind"]],
    }


def _lines(facts: Mapping[str, Any]) -> Iterable[str]:
    yield (
        f"Logged everyone out: {facts['sessions']} sessions, {facts['tokens']} tokens. "
        "Revocations after the backup hold again."
    )
    if facts["lost_events"] is None:
        yield "Give --trail to learn which passwords, accounts, factors and keys reverted."
        return
    yield f"Events after the backup, which are lost here: {facts['lost_events']}."
    for one in facts["reverted"]:
        yield f"{one['at']}  {one['name']}: {one['now']}"
