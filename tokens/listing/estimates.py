"""Estimate the number of rows of a table without counting all of them."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

CAP = 10_000
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold a number of rows. If it isn't ``exact``, ``more`` says that it is a lower bound."""

    number: int
    exact: bool = True
    more: bool = False

    def __str__(self) -> str:
        if self.exact:
            return f"{self.number:,}"
        if self.more:
            return _("more than %(number)s") % {"number": f"{self.number:,}"}
        if self.number >= MILLION:
            millions = round(self.number / MILLION, 1)
            text = f"{millions:,.0f}" if millions >= 10 or millions == int(millions) else millions
            return ngettext("about %(n)s million", "about %(n)s million", int(millions)) % {
                "n": text
            }
        size = 10 ** (len(str(self.number)) - 2)
        return _("about %(number)s") % {"number": f"{round(self.number / size) * size:,}"}


def counted(number: int, limit: int, *, stopped: bool = False) -> Estimate:
    """Return a count that goes up to ``limit``. A higher ``number`` says that there are more.

    ``stopped`` says that the count ended early, so there may be more.
    """
    more = stopped or number > limit
    return Estimate(min(number, limit), exact=not more, more=more)


def estimate(model: type[Model]) -> Estimate:
    """Return the planner's estimate on PostgreSQL, if it is above `CAP`.

    Otherwise count the rows up to `CAP`.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                # A partitioned table has no rows of its own. The tree of another one is empty.
                "SELECT sum(greatest(reltuples, 0))::bigint FROM pg_class WHERE relkind = 'r' AND"
                " (oid = %(table)s::regclass OR oid IN"
                " (SELECT relid FROM pg_partition_tree(%(table)s::regclass)))",
                {"table": connection.ops.quote_name(model._meta.db_table)},
            )
            (estimate,) = cursor.fetchone()
        if estimate > CAP:
            return Estimate(int(estimate), exact=False)
    number = model._default_manager.order_by().values("pk")[: CAP + 1].count()
    return counted(number, CAP)
