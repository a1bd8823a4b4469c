"""A change list that pages by key: it neither counts nor skips rows."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from tokens.selectors.about import about

CURSOR = "cursor"


class KeyChangeList(ChangeList):
    """What is listed comes from ``model_admin.listing(...)``; filters only say what was chosen
    (``spec.chosen()``). ``cursor`` is in the address, and dropped by every change of filter."""

    # What the stubs know of neither: our admins list through `listing`, our filters are `Chosen`.
    model_admin: Any
    filter_specs: Any
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

    def get_results(self, request: HttpRequest) -> None:
        listing = self.model_admin.listing(**self.chosen)
        self.page = listing.page(cursor=self.cursor, size=self.list_per_page)
        self.result_list = self.page.rows
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.page.rows, self.list_per_page)
        self.recorded = about(self.model)

    @property
    def newer_link(self) -> str:
        return self._to(self.page.newer)

    @property
    def older_link(self) -> str:
        return self._to(self.page.older)

    @property
    def filtered(self) -> bool:
        return bool(self.query) or self.has_active_filters

    def _to(self, cursor: str) -> str:
        return self.get_query_string({CURSOR: cursor}) if cursor else ""
