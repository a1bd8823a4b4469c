"""Find the instant of a cutoff."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Max, Model, Q, QuerySet, Value

from tokens.db import clock
from tokens.models import BrowserCutoff, Cutoff, Session

SMALLEST = timedelta(microseconds=1)


def cutoff_instant(
    *, user: AbstractBaseUser | None = None, wanted: datetime | None = None
) -> datetime:
    """Return the instant for a cutoff of ``user``, or of everybody: ``wanted``, or now.

    An instant in the future counts as now: it would end logins that have not happened yet. Now is
    after everything that was opened. A clock that was ahead for a while, such as that of a primary
    before a failover, has left openings that are in the future by the database's clock of today.
    """
    if wanted is not None and wanted < clock.now():
        return wanted
    now = clock.ask()
    opened = Session.objects.filter(created_at__gte=now)
    whose = Q(user=None)
    if user is not None:
        opened, whose = opened.filter(user=user.pk), whose | Q(user=user.pk)
    # A login after a cutoff in the future is opened at its instant.
    cutoffs = Cutoff.objects.filter(whose, not_before__gte=now)
    browsers = BrowserCutoff.objects.filter(whose, not_before__gte=now)
    latest: Iterable[datetime | None] = _latest(opened, "created_at").union(
        _latest(cutoffs, "not_before"), _latest(browsers, "not_before")
    )
    return max([now, *(at + SMALLEST for at in latest if at is not None)])


def _latest(rows: "QuerySet[Model]", column: str) -> "QuerySet[Model, datetime | None]":
    """Return a query of the latest instant in ``column``, or None."""
    grouped = rows.order_by().values(everything=Value(1)).annotate(latest=Max(column))
    latest: QuerySet[Model, datetime | None] = grouped.values_list("latest", flat=True)
    return latest
