"""Compute charts for the templates: bars in a square of 100 by 100, which the page scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log10

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from tokens.listing.stats import Bucket
from tokens.models import Measure
from tokens.models.kinds import kinds_of

TRAFFIC = (Measure.LOGINS, Measure.REFRESHES)
TROUBLE = (Measure.REFUSALS, Measure.REVOCATIONS, Measure.REUSE)
# The share of a column's width that the bar fills.
BAR_SHARE = 0.72
# A day on which the clocks change has 23 hours.
SHORTEST_DAY = timedelta(hours=20)
# How an address writes an instant of UTC, to the minute.
INSTANT = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True)
class Bar:
    """One measure in a column. ``y`` is the distance of its upper edge from the top.

    The numbers are text, so that no locale puts a decimal comma into the SVG. ``address`` lists the
    events that the bar counts.
    """

    measure: Measure
    x: str
    y: str
    width: str
    height: str
    address: str


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """One bucket: its stacked bars, and the same numbers in words."""

    label: str
    words: str
    x: str
    width: str
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. ``measures`` has each measure with its label and total; ``top`` ends the axis."""

    title: str
    measures: list[tuple[Measure, str, int]]
    columns: list[ChartColumn]
    top: int

    @property
    def empty(self) -> bool:
        """Return True if there is nothing to draw."""
        return not any(total for _measure, _name, total in self.measures)

    @property
    def half(self) -> int:
        """Return the number at the middle of the axis."""
        return self.top // 2

    @property
    def ends(self) -> tuple[str, str, str]:
        """Return the labels of the first, the middle and the last column."""
        last = len(self.columns) - 1
        first, middle, end = (self.columns[at].label for at in (0, last // 2, last))
        return first, middle, end


def chart(*, title: str, buckets: Sequence[Bucket], measures: Sequence[Measure]) -> Chart:
    """Build a chart with a column for each bucket and a bar for each of ``measures``."""
    hourly = len(buckets) < 2 or buckets[1].start - buckets[0].start < SHORTEST_DAY
    offsets = {timezone.localtime(bucket.start).utcoffset() for bucket in buckets}
    top = axis_end(max(sum(bucket.counts[m] for m in measures) for bucket in buckets))
    slot = 100 / len(buckets)
    names = {measure: str(measure.label) for measure in measures}
    columns = []
    for number, bucket in enumerate(buckets):
        label = _label(bucket.start, hourly=hourly, with_zone=hourly and len(offsets) > 1)
        numbers = [f"{name}: {bucket.counts[m]}" for m, name in names.items()]
        columns.append(
            ChartColumn(
                label=label,
                words=f"{label} – {', '.join(numbers)}",
                x=_number(number * slot),
                width=_number(slot),
                bars=_bars(bucket, measures, number * slot, slot, top),
            )
        )
    totals = [(m, name, sum(bucket.counts[m] for bucket in buckets)) for m, name in names.items()]
    return Chart(title, totals, columns, top)


def _bars(
    bucket: Bucket, measures: Sequence[Measure], left: float, slot: float, top: int
) -> list[Bar]:
    bars, foot = [], 100.0
    for measure in measures:
        height = 100 * bucket.counts[measure] / top
        if height:
            # A single reuse next to a thousand logins must remain visible.
            height = max(height, 2.0)
            foot -= height
            gap = slot * (1 - BAR_SHARE) / 2
            bars.append(
                Bar(
                    measure,
                    x=_number(left + gap),
                    y=_number(max(foot, 0.0)),
                    width=_number(slot * BAR_SHARE),
                    height=_number(height),
                    address=events_address(measure, bucket),
                )
            )
    return bars


def events_address(measure: Measure, first: Bucket, last: Bucket | None = None) -> str:
    """Return the address of the events of a bucket, or of several, that ``measure`` counts."""
    kinds = kinds_of(measure)
    kind = kinds[0].value if len(kinds) == 1 else measure.value
    since, until = (at.astimezone(UTC) for at in (first.since, (last or first).until))
    span = f"after={since:{INSTANT}}&before={until:{INSTANT}}"
    return f"{reverse('tokens_staff:events')}?kind={kind}&{span}"


def sparkline(values: Sequence[int]) -> str:
    """Return the points of an SVG polyline in a box of 100 by 24."""
    top = max([*values, 1])
    step = 100 / max(len(values) - 1, 1)
    points = (
        f"{_number(at * step)},{_number(22 - 20 * value / top)}" for at, value in enumerate(values)
    )
    return " ".join(points)


def axis_end(highest: int) -> int:
    """Return the end of an axis: the next multiple of a power of ten that can be halved."""
    if highest <= 2:
        return 2
    power = 10 ** int(log10(highest))
    return next(int(step * power) for step in (1, 2, 4, 6, 8, 10) if step * power >= highest)


def change(*, now: int, before: int) -> str:
    """Compare a number with the day before, in words."""
    if now == before:
        return _("as the day before")
    if not before:
        return _("none the day before")
    if now >= 4 * before:
        return _("%(before)s the day before") % {"before": f"{before:,}"}
    percent = max(1, round(abs(now - before) * 100 / before))
    if now > before:
        return _("%(percent)s%% more than the day before") % {"percent": percent}
    return _("%(percent)s%% fewer than the day before") % {"percent": percent}


def _label(start: datetime, *, hourly: bool, with_zone: bool) -> str:
    """Return the local time or day. ``with_zone`` tells two alike hours of a clock change apart."""
    local = timezone.localtime(start)
    label = date_format(local, "TIME_FORMAT" if hourly else "MONTH_DAY_FORMAT")
    return f"{label} {local:%Z}" if with_zone else label


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
