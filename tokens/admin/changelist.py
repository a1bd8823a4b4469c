"""Page the change lists by key, without counting rows and without OFFSET."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_list import ResultList, result_headers
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.functional import cached_property

from tokens.admin.fast_rows import lines
from tokens.admin.filters import QueryFilter
from tokens.listing.estimates import estimate
from tokens.listing.pagination import Listing, Page
from tokens.listing.query import Chosen, ListQuery
from tokens.listing.revocable import RevocableQuery

if TYPE_CHECKING:
    from tokens.admin.base import ReadOnlyAdmin

CURSOR = "cursor"
# The placeholder for a row's primary key in an address.
KEY = "0key0"


class Keyed(ChangeList):
    """Page by the ``cursor`` of the address; every change of a filter drops it."""

    page: Page[Model] | None = None
    cursor = ""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Model]:
        if CURSOR in self.params:
            self.cursor = str(self.params.pop(CURSOR))
            self.filter_params.pop(CURSOR, None)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        """Read one page."""
        try:
            self.page = self.listing().page(cursor=self.cursor, size=self.list_per_page)
        except OverflowError as error:
            # A number in the address that no column of SQLite can hold.
            raise IncorrectLookupParameters from error
        self.result_list = self.page.rows
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.page.rows, self.list_per_page)
        self.recorded = estimate(self.model)

    def listing(self) -> Listing[Model]:
        """Return the rows, to be paged through."""
        return Listing(rows=self.queryset, key=("pk",))

    def url_for_result(self, result: Model, pattern: str = "") -> str:
        """Return the address of a row."""
        key = iri_to_uri(str(quote(getattr(result, self.pk_attname))))
        return (pattern or self.object_url).replace(KEY, key)

    @cached_property
    def object_url(self) -> str:
        """Return the address of a row, with a placeholder, resolved once for all rows."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[KEY], current_app=self.model_admin.admin_site.name)

    @property
    def newer_link(self) -> str:
        """Return the query string of the newer page."""
        return self._to(self.page.newer) if self.page else ""

    @property
    def older_link(self) -> str:
        """Return the query string of the older page."""
        return self._to(self.page.older) if self.page else ""

    @property
    def filtered(self) -> bool:
        """Return whether a filter or the search narrows the list."""
        return bool(self.query) or self.has_active_filters

    def _to(self, cursor: str) -> str:
        return self.get_query_string({CURSOR: cursor}) if cursor else ""


class QueryChangeList(Keyed):
    """Lists what ``model_admin.list_query`` finds. The filters only say what was chosen."""

    list_query: ListQuery[Model]
    model_admin: "ReadOnlyAdmin[Any]"

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Model]:
        """Read the filters into ``list_query``. The rows come from `listing`."""
        self.cursor = str(self.params.pop(CURSOR, ""))
        self.filter_params.pop(CURSOR, None)
        specs, self.has_filters, rest, _many, self.has_active_filters = self.get_filters(request)
        self.filter_specs = specs
        self.clear_all_filters_qs = self.get_query_string(
            new_params=rest, remove=list(self.get_filters_params())
        )
        searched = self.query and "q" in self.model_admin.list_query.filters()
        chosen: Chosen | None = {"q": self.query} if searched else {}
        for spec in cast("list[QueryFilter]", specs):
            values = spec.chosen()
            chosen = None if chosen is None or values is None else chosen | values
        query: type[ListQuery[Model]] = self.model_admin.list_query
        self.list_query = query.none() if chosen is None else query(**chosen)
        return self.root_queryset

    @property
    def matches_live(self) -> bool:
        """Return whether everything that matches may hold something to revoke."""
        query = self.list_query
        return isinstance(query, RevocableQuery) and query.may_match_live(self.page or Page([]))

    def listing(self) -> Listing[Model]:
        """Return the rows of the query."""
        return self.list_query.listing()

    @property
    def headers(self) -> list[Mapping[str, object]]:
        return list(result_headers(self))

    @property
    def lines(self) -> list[ResultList]:
        return lines(self)


class AccountChangeList(Keyed):
    """Django's own list with its filters and its order.

    If the order is that of the user name, which is the default, it is paged by key.
    """

    def get_results(self, request: HttpRequest) -> None:
        if self.show_all or self.page_num > 1 or self._order() is None:
            ChangeList.get_results(self, request)
            return
        super().get_results(request)
        if not self.filtered:
            # With this number, Django offers to select all rows.
            self.result_count = self.full_result_count = self.recorded.number

    def listing(self) -> Listing[Model]:
        name, ascending = self._order() or ("pk", True)
        return Listing(rows=self.queryset, key=(name,), ascending=ascending)

    def _order(self) -> tuple[str, bool] | None:
        """Return the unique field that orders the list, and whether it ascends."""
        name = get_user_model().USERNAME_FIELD
        # Fields after a unique one don't change the order.
        first = str(next(iter(self.queryset.query.order_by), ""))
        unique = getattr(self.opts.get_field(name), "unique", False)
        if not unique or first not in (name, f"-{name}") or self.queryset.query.distinct:
            return None
        return name, first == name
