from collections.abc import Iterator

from django.core.management.base import CommandParser
from django.db.models import Q, QuerySet

from tokens.jwt.claims import redact
from tokens.management.base import TokensCommand
from tokens.management.purge import token_id_range
from tokens.models import OutstandingToken

BATCH_SIZE = 2_000


class Command(TokensCommand):
    help = (
        "Remove the signatures from stored tokens. Plain simplejwt, and other services on the same "
        "tables, store whole tokens. Clients can still use their tokens; the stored rows can no "
        "longer be used as tokens. You can interrupt it and run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Count, but change nothing.")

    def handle(self, *, dry_run: bool, as_json: bool, **_: object) -> None:
        low, high = token_id_range()
        found = 0
        with self.bar(total=high - low + 1, unit="id", unit_scale=True) as bar:
            for batch in signed_tokens(low, high):
                rows = list(batch.only("pk", "token"))
                found += len(rows)
                if rows and not dry_run:
                    for row in rows:
                        row.token = redact(row.token)
                    OutstandingToken.objects.bulk_update(rows, ["token"], batch_size=200)
                bar.update(BATCH_SIZE)
        facts = {"dry_run": dry_run, "redacted": found}
        line = f"{'Would redact' if dry_run else 'Redacted'} {found} tokens."
        self.tell(facts, line, as_json=as_json)


def signed_tokens(low: int, high: int) -> "Iterator[QuerySet[OutstandingToken]]":
    """Return the tokens that are stored with their signature, in batches of their ids."""
    for start in range(low, high + 1, BATCH_SIZE):
        batch = OutstandingToken.objects.filter(pk__gte=start, pk__lt=start + BATCH_SIZE)
        yield batch.exclude(Q(token__endswith=".") | Q(token=""))  # noqa: S106
