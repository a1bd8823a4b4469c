"""Declare the relative ranges of the lists, such as the last 24 hours."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tokens.db import clock

Limits = tuple[datetime | None, datetime | None]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Declare a range that ends now, or one that begins now.

    A period of ``days`` begins at midnight in the viewer's time zone, so many days ago.
    """

    label: str | Promise
    span: timedelta = timedelta()
    days: int | None = None
    ahead: bool = False

    def limits(self) -> Limits:
        """Return the limits of the period as it is now."""
        now = clock.now()
        if self.ahead:
            return now, now + self.span
        if self.days is None:
            return now - self.span, None
        zone = timezone.get_current_timezone()
        day = timezone.localtime(now).date() - self.days * DAY
        return datetime.combine(day, time.min, zone), None


PAST = {
    "1h": Period(_("in the last hour"), HOUR),
    "24h": Period(_("in the last 24 hours"), DAY),
    "today": Period(_("since today 00:00"), days=0),
    "yesterday": Period(_("since yesterday 00:00"), days=1),
    "7d": Period(_("in the last 7 days"), 7 * DAY),
    "30d": Period(_("in the last 30 days"), 30 * DAY),
}
FUTURE = {
    "1h": Period(_("in the next hour"), HOUR, ahead=True),
    "24h": Period(_("in the next 24 hours"), DAY, ahead=True),
    "7d": Period(_("in the next 7 days"), 7 * DAY, ahead=True),
    "30d": Period(_("in the next 30 days"), 30 * DAY, ahead=True),
}
