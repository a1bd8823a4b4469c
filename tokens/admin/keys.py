"""Show signing keys in the admin. The command `signing_keys` changes them."""

from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext_lazy

from tokens.admin.base import ReadOnlyAdmin
from tokens.listing.columns import ADMIN, ADMIN_PAGE, Column
from tokens.listing.pagination import Listing
from tokens.listing.query import ListQuery, Text
from tokens.models import SigningKey

EVERYWHERE = ADMIN | ADMIN_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyQuery(ListQuery[SigningKey]):
    """Signing keys, the newest first. Their private halves are not read."""

    noun: ClassVar[Text] = gettext_lazy("signing keys")
    columns: ClassVar[tuple[Column, ...]] = (
        Column("kid", EVERYWHERE),
        Column("algorithm", EVERYWHERE),
        Column("state", EVERYWHERE),
        Column("added_at", EVERYWHERE),
        Column("signing_at", EVERYWHERE),
        Column("verifying_at", EVERYWHERE),
        Column("retired_at", EVERYWHERE),
        Column("public", ADMIN_PAGE),
    )

    def listing(self) -> Listing[SigningKey]:
        """Return the keys, to be paged through."""
        keys = SigningKey.objects.none() if self.unsatisfiable else SigningKey.objects.all()
        return Listing(rows=keys.defer("protected"), key=("id",), mark=self.mark)


class SigningKeyAdmin(ReadOnlyAdmin[SigningKey]):
    list_query = SigningKeyQuery
    search_fields = ()
