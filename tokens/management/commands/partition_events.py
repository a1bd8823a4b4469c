"""Keep the events in partitions, which retention drops."""

from django.core.management.base import CommandError, CommandParser
from django.db import IntegrityError, connection

from tokens.audit.partitions import EventsLocked, add_ahead, begin, is_partitioned, partitions
from tokens.management.base import TokensCommand, whole_number


class Command(TokensCommand):
    help = (
        "Keep the events in partitions by id (PostgreSQL), so that purge_events drops old ones "
        "instead of deleting rows. Run it once, with the role that owns the tables; calls go on. "
        "purge_events adds partitions from then on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--events",
            type=whole_number(100_000, 10**12),
            required=True,
            help="The number of events in a partition: about those of a week.",
        )

    def handle(self, *, events: int, as_json: bool, **_: object) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has partitions. Nothing was changed.")
        try:
            if begun := not is_partitioned():
                begin(size=events)
            else:
                add_ahead()
        except EventsLocked as error:
            raise CommandError(f"{error}. Run it again.") from error
        except IntegrityError as error:
            raise CommandError(
                "An event has an id that the portal has not given. Run verify_events."
            ) from error
        known = partitions()
        newest = known[-1]
        size = newest.end - newest.start
        facts = {"begun": begun, "partitions": len(known), "events": size}
        text = f"The events are in {len(known)} partitions. A new one has room for {size} events."
        self.tell(facts, text, as_json=as_json)
