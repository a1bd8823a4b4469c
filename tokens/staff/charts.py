"""Charts as numbers that a template draws: bars in a 0 to 100 square, stretched by the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, log10

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.selectors.activity import Bucket, Measure

NAMES = {
    Measure.LOGINS: gettext_lazy("Logins"),
    Measure.REFRESHES: gettext_lazy("Refreshes"),
    Measure.REFUSALS: gettext_lazy("Refused logins"),
    Measure.REUSE: gettext_lazy("Reuse"),
    Measure.REVOCATIONS: gettext_lazy("Revocations"),
}
TRAFFIC = (Measure.LOGINS, Measure.REFRESHES)
TROUBLE = (Measure.REFUSALS, Measure.REVOCATIONS, Measure.REUSE)
# What is left of a slot's width goes between the bars.
BAR_SHARE = 0.72


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of a column; ``y`` is its upper edge, counted from the top. All are text, so
    that no language's decimal comma gets into the picture."""

    measure: Measure
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """One bucket: the bars that stand on each other, and the same in words."""

    label: str
    words: str
    x: str
    width: str
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    measures: list[tuple[Measure, str, int]]
    columns: list[Column]
    top: int

    @property
    def empty(self) -> bool:
        return not any(total for _measure, _name, total in self.measures)

    @property
    def half(self) -> int:
        return self.top // 2

    @property
    def ends(self) -> tuple[str, str, str]:
        """What stands under the first, the middle and the last column."""
        last = len(self.columns) - 1
        first, middle, end = (self.columns[at].label for at in (0, last // 2, last))
        return first, middle, end


def chart(*, title: str, buckets: Sequence[Bucket], measures: Sequence[Measure]) -> Chart:
    """A column for each bucket, a stretch of it for each of ``measures``."""
    hourly = len(buckets) < 2 or buckets[1].start - buckets[0].start < timedelta(days=1)
    top = nice(max(sum(bucket.counts[m] for m in measures) for bucket in buckets))
    slot = 100 / len(buckets)
    names = {measure: str(NAMES[measure]) for measure in measures}
    columns = []
    for number, bucket in enumerate(buckets):
        label = _label(bucket.start, hourly=hourly)
        said = [f"{name}: {bucket.counts[m]}" for m, name in names.items()]
        columns.append(
            Column(
                label=label,
                words=f"{label} – {', '.join(said)}",
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
            # One reuse beside a thousand logins is still to be seen.
            height = max(height, 2.0)
            foot -= height
            gap = slot * (1 - BAR_SHARE) / 2
            parts = (left + gap, max(foot, 0.0), slot * BAR_SHARE, height)
            bars.append(Bar(measure, *(_number(part) for part in parts)))
    return bars


def sparkline(values: Sequence[int]) -> str:
    """The points of an SVG polyline in a box of 100 by 24."""
    top = max([*values, 1])
    step = 100 / max(len(values) - 1, 1)
    points = (
        f"{_number(at * step)},{_number(22 - 20 * value / top)}" for at, value in enumerate(values)
    )
    return " ".join(points)


def nice(highest: int) -> int:
    """The end of an axis: the next even 1, 2, 5 or 10 times a power of ten."""
    if highest <= 2:
        return 2
    power = 10 ** int(log10(highest))
    return next(int(step * power) for step in (1, 2, 4, 6, 8, 10) if step * power >= highest)


def change(*, now: int, before: int) -> str:
    """Against the day before, in words that need no colour."""
    if now == before:
        return _("as the day before")
    if not before:
        return _("none the day before")
    if now >= 4 * before:
        return _("%(before)s the day before") % {"before": f"{before:,}"}
    percent = ceil(abs(now - before) * 100 / before)
    if now > before:
        return _("%(percent)s%% more than the day before") % {"percent": percent}
    return _("%(percent)s%% fewer than the day before") % {"percent": percent}


def _label(start: datetime, *, hourly: bool) -> str:
    local = timezone.localtime(start)
    return date_format(local, "TIME_FORMAT" if hourly else "MONTH_DAY_FORMAT")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
