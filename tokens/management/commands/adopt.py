from collections import Counter
from datetime import datetime

from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import CommandParser

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.claims import Malformed, parse
from tokens.jwt.signing import REFRESH, refresh_lifetime, type_of
from tokens.management.base import TokensCommand
from tokens.management.commands.redact_tokens import BATCH_SIZE, signed_tokens
from tokens.management.purge import token_id_range
from tokens.models import OutstandingToken
from tokens.validation.legacy import recorded_since, transition_over

# What the messages of this app's checks, and of no other, begin with.
OWN = "tokens."
USABLE = (
    "{legacy} stored refresh tokens from before can still be used. Each opens a session "
    "at its next refresh; no user has to log in again."
)
REFUSED = (
    "{legacy} stored refresh tokens from before have not expired, but LEGACY_UNTIL has passed: "
    "they are refused."
)
LONGEST_TYPE = 30
OTHERS = (
    "{number} stored tokens have another type ({types}). The app accepts them neither as refresh "
    "nor as access tokens, so a client that holds nothing else has to log in again."
)
UNRECORDED = (
    "Refresh tokens from before simplejwt stored them can't be counted. They are accepted until "
    "they expire{end}. Revoking all of a user ends theirs."
)


class Command(TokensCommand):
    help = (
        "Say what the move of a project from simplejwt involves: how many tokens from before can "
        "still be refreshed, how many are stored with their signature, and what `check` finds. "
        "Then remove the signatures, as `redact_tokens` does."
    )

    # It prints what the checks find itself.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Count, but change nothing.")

    def handle(self, *, dry_run: bool, as_json: bool, **_: object) -> None:
        types, signed = self._counted()
        legacy = types.pop(REFRESH, 0)
        found = [message for message in run_checks() if str(message.id).startswith(OWN)]
        unrecorded = _unrecorded_before()
        facts = {
            "legacy": legacy,
            "other_types": types,
            "unrecorded_before": unrecorded and unrecorded.isoformat(),
            "signed": signed,
            "checks": [{"id": message.id, "message": message.msg} for message in found],
        }
        end = ", or until LEGACY_UNTIL" if app_settings.LEGACY_UNTIL else ""
        lines = [
            REFUSED.format(legacy=legacy) if transition_over() else USABLE.format(legacy=legacy),
            _others(types) if types else "",
            UNRECORDED.format(end=end) if unrecorded else "",
            f"{signed} tokens are stored with their signature. `redact_tokens` removes it, and "
            "ends no token.",
            *(_line(message) for message in found),
            "" if found else "`check` finds nothing to change.",
        ]
        self.tell(facts, "\n".join(filter(None, lines)), as_json=as_json)
        if not dry_run and signed:
            call_command("redact_tokens", as_json=as_json)

    def _counted(self) -> tuple[dict[str, int], int]:
        """Count the usable tokens of each type, and the rows with a signature.

        It counts in batches of ids: no statement reads the whole table.
        """
        low, high = token_id_range()
        types: Counter[str] = Counter()
        signed = 0
        with self.bar(total=high - low + 1, unit="id", unit_scale=True) as bar:
            for start, batch in zip(
                range(low, high + 1, BATCH_SIZE), signed_tokens(low, high), strict=True
            ):
                signed += batch.count()
                rows = OutstandingToken.objects.filter(pk__gte=start, pk__lt=start + BATCH_SIZE)
                usable = rows.filter(
                    membership=None, blacklistedtoken=None, expires_at__gt=clock.now()
                )
                types.update(map(_type_in, usable.values_list("token", flat=True)))
                bar.update(BATCH_SIZE)
        return dict(sorted(types.items())), signed


def _type_in(stored: str) -> str:
    """Return the type of a stored token; ``unknown`` if its text does not say."""
    try:
        found = type_of(parse(stored).payload)
    except Malformed:
        return "unknown"
    # Another service may have stored any text; this one is printed.
    named = isinstance(found, str) and found.isidentifier() and len(found) <= LONGEST_TYPE
    return str(found) if named else "unknown"


def _others(types: dict[str, int]) -> str:
    named = ", ".join(f"{number} {name}" for name, number in types.items())
    return OTHERS.format(number=sum(types.values()), types=named)


def _unrecorded_before() -> datetime | None:
    """Return the instant before which refresh tokens were not stored; None if none is accepted."""
    since = recorded_since()
    if since is None or transition_over() or clock.now() >= since + refresh_lifetime():
        return None
    return since


def _line(message: CheckMessage) -> str:
    return f"{message.id}: {message.msg}".replace("\n", " ")
