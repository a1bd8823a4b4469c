"""Sum events by hour and kind for the charts."""

from collections.abc import Iterator
from datetime import UTC

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import Least, TruncHour

from tokens.audit.watermark import high_water_mark
from tokens.models import Event, Rollup, TrailReader
from tokens.models.lengths import HIGHEST_COUNT
from tokens.models.readable import EARLIEST, LATEST

READER = "rollup"
STEP = 50_000


def roll_up(*, wait: float = 30.0, size: int = STEP) -> Iterator[int]:
    """Add the events below the high-water mark to the sums, ``size`` ids at a time.

    Each step commits together with the id that it reached, so no event is counted twice. Yields
    that id. Raises `tokens.audit.watermark.StillWriting`.
    """
    through = high_water_mark(wait=wait)
    TrailReader.objects.get_or_create(name=READER)
    while (reached := _sum_next(through=through, size=size)) is not None:
        yield reached


@transaction.atomic(durable=True)
def _sum_next(*, through: int, size: int) -> int | None:
    reader = TrailReader.objects.select_for_update().get(name=READER)
    waiting = Event.objects.filter(pk__gt=reader.last_id, pk__lte=through).order_by("pk")
    first = waiting.values_list("pk", flat=True).first()
    if first is None:
        return None
    end = min(first + size - 1, through)
    rows = (
        waiting.filter(pk__lte=end, at__gt=EARLIEST, at__lt=LATEST)
        .order_by()
        .annotate(hour=TruncHour("at", tzinfo=UTC))
        .values_list("hour", "kind")
        .annotate(events=Count("pk"), total=Sum(Least("count", HIGHEST_COUNT)))
    )
    adapt = connection.ops.adapt_datetimefield_value
    # On SQLite, a text that is no time has no hour.
    sums = [(adapt(hour), kind, events, total or 0) for hour, kind, events, total in rows if hour]
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
