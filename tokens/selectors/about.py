"""How many rows a table has, roughly, and without counting them."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

CAP = 10_000
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class About:
    """``exact`` counts are whole; of the others, ``more`` says that ``number`` is the least."""

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


def about(model: type[Model]) -> About:
    """The planner's estimate on PostgreSQL, where it says "many"; else a count that stops at
    `CAP`."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                [connection.ops.quote_name(model._meta.db_table)],
            )
            (estimate,) = cursor.fetchone()
        if estimate > CAP:
            return About(int(estimate), exact=False)
    number = model._default_manager.order_by().values("pk")[: CAP + 1].count()
    return About(min(number, CAP), exact=number <= CAP, more=number > CAP)
