"""Small sums of the trail for the charts: events by hour and kind."""

from collections.abc import Iterator
from datetime import UTC

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import TruncHour

from tokens.audit.settled import settled_id
from tokens.models import Event, Rollup, TrailReader

READER = "rollup"
STEP = 50_000


def roll_up(*, wait: float = 30.0, size: int = STEP) -> Iterator[int]:
    """Add what is settled and not yet summed, step by step; each step commits on its own with
    how far it came, so that nothing is counted twice. Yields the id that it has come to."""
    through = settled_id(wait=wait)
    TrailReader.objects.get_or_create(name=READER)
    while (reached := _step(through, size)) is not None:
        yield reached


def _step(through: int, size: int) -> int | None:
    with transaction.atomic():
        reader = TrailReader.objects.select_for_update().get(name=READER)
        waiting = Event.objects.filter(pk__gt=reader.last_id, pk__lte=through).order_by("pk")
        first = waiting.values_list("pk", flat=True).first()
        if first is None:
            return None
        end = min(first + size - 1, through)
        rows = (
            waiting.filter(pk__lte=end)
            .order_by()
            .annotate(hour=TruncHour("at", tzinfo=UTC))
            .values_list("hour", "kind")
            .annotate(Count("pk"), Sum("count"))
        )
        adapt = connection.ops.adapt_datetimefield_value
        sums = [(adapt(hour), kind, events, total) for hour, kind, events, total in rows]
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {Rollup._meta.db_table} AS r (hour, kind, events, total) "  # noqa: S608
                "VALUES (%s, %s, %s, %s) ON CONFLICT (hour, kind) DO UPDATE SET "
                "events = r.events + EXCLUDED.events, total = r.total + EXCLUDED.total",
                sums,
            )
        reader.last_id = end
        reader.save(update_fields=["last_id"])
        return end
