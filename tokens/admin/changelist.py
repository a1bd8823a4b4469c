"""Change lists that page by key: they neither count nor skip rows."""

from typing import Any

from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.functional import cached_property

from tokens.admin.lines import lines
from tokens.selectors.about import about
from tokens.selectors.paging import Listing, Page

CURSOR = "cursor"
# Stands for a row's primary key in an address.
KEY = "0key0"


class Keyed(ChangeList):
    """``cursor`` is in the address, and dropped by every change of filter."""

    page: Page[Any] | None = None
    # What the stubs know of neither: our admins list through `listing`, our filters are `Chosen`.
    model_admin: Any
    filter_specs: Any
    cursor = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        if CURSOR in self.params:
            self.cursor = str(self.params.pop(CURSOR))
            self.filter_params.pop(CURSOR, None)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        self.page = self.listing().page(cursor=self.cursor, size=self.list_per_page)
        self.result_list = self.page.rows
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.page.rows, self.list_per_page)
        self.recorded = about(self.model)

    def listing(self) -> Listing[Any]:
        return Listing(rows=self.queryset, key=("pk",))

    def url_for_result(self, result: Any, pattern: str = "") -> str:
        key = iri_to_uri(str(quote(getattr(result, self.pk_attname))))
        return (pattern or self.object_url).replace(KEY, key)

    @cached_property
    def object_url(self) -> str:
        """Resolved once for all rows."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[KEY], current_app=self.model_admin.admin_site.name)

    @property
    def newer_link(self) -> str:
        return self._to(self.page.newer) if self.page else ""

    @property
    def older_link(self) -> str:
        return self._to(self.page.older) if self.page else ""

    @property
    def filtered(self) -> bool:
        return bool(self.query) or self.has_active_filters

    def _to(self, cursor: str) -> str:
        return self.get_query_string({CURSOR: cursor}) if cursor else ""


class KeyChangeList(Keyed):
    """What is listed comes from ``model_admin.listing(...)``; filters only say what was chosen
    (``spec.chosen()``)."""

    chosen: dict[str, Any]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.cursor = str(self.params.pop(CURSOR, ""))
        self.filter_params.pop(CURSOR, None)
        specs, self.has_filters, rest, _many, self.has_active_filters = self.get_filters(request)
        self.filter_specs = specs
        self.clear_all_filters_qs = self.get_query_string(
            new_params=rest, remove=list(self.get_filters_params())
        )
        self.chosen = {spec.parameter_name: spec.chosen() for spec in self.filter_specs}
        self.chosen["q"] = self.query
        return self.root_queryset

    def listing(self) -> Listing[Any]:
        found: Listing[Any] = self.model_admin.listing(**self.chosen)
        return found

    @property
    def headers(self) -> list[dict[str, Any]]:
        return list(result_headers(self))

    @property
    def lines(self) -> list[Any]:
        return lines(self)


class AccountChangeList(Keyed):
    """Django's own list with its filters and its order: where that is by the user name, as it
    is unless somebody sorts it otherwise, it is paged by key."""

    def get_results(self, request: HttpRequest) -> None:
        if self.show_all or self.page_num > 1 or self._order() is None:
            ChangeList.get_results(self, request)
            return
        super().get_results(request)
        if not self.filtered:
            # Lets all of them be selected.
            self.result_count = self.full_result_count = self.recorded.number

    def listing(self) -> Listing[Any]:
        name, ascending = self._order() or ("pk", True)
        return Listing(rows=self.queryset, key=(name,), ascending=ascending)

    def _order(self) -> tuple[str, bool] | None:
        """The unique field that the list goes by, and whether upwards."""
        name = get_user_model().USERNAME_FIELD
        # What comes after a unique field orders nothing.
        first = str(next(iter(self.queryset.query.order_by), ""))
        unique = getattr(self.opts.get_field(name), "unique", False)
        if not unique or first not in (name, f"-{name}") or self.queryset.query.distinct:
            return None
        return name, first == name
