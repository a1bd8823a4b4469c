"""Show services in the admin. The staff pages and the command add and remove them."""

from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext_lazy

from tokens.admin.base import ReadOnlyAdmin
from tokens.listing.columns import ADMIN, ADMIN_PAGE, Column
from tokens.listing.pagination import Listing
from tokens.listing.query import ListQuery, Text
from tokens.models import Service

EVERYWHERE = ADMIN | ADMIN_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceQuery(ListQuery[Service]):
    """Services, the newest first. The digests of their secrets are not shown."""

    noun: ClassVar[Text] = gettext_lazy("services")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("name", EVERYWHERE),
        Column("may_introspect", EVERYWHERE),
        Column("may_read_feed", EVERYWHERE),
        Column("last_call_at", EVERYWHERE),
        Column("confirmed_at", EVERYWHERE),
        Column("calls", EVERYWHERE),
        Column("created_at", ADMIN_PAGE),
        Column("rotated_at", ADMIN_PAGE),
    )

    def listing(self) -> Listing[Service]:
        """Return the services, to be paged through."""
        rows = Service.objects.none() if self.unsatisfiable else Service.objects.all()
        return Listing(rows=rows, key=("id",), mark=self.mark)


class ServiceAdmin(ReadOnlyAdmin[Service]):
    list_query = ServiceQuery
    search_fields = ()
