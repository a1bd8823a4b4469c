"""Render the rows of a change list faster than Django's admin, with the same output.

Django looks up the column again for each cell, which takes a third of a page's time. Here, each
column is resolved once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib.admin.templatetags.admin_list import ResultList
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_field, display_for_value
from django.db.models import Model
from django.utils.html import format_html, format_html_join

from tokens.db.statements import AnyField

if TYPE_CHECKING:
    from tokens.admin.changelist import QueryChangeList

Show = Callable[[Model], object]


def lines(changelist: "QueryChangeList") -> list[ResultList]:
    """Return the rows for `admin/change_list_results.html`, each as one piece of HTML."""
    columns = [_column(changelist, str(name)) for name in changelist.list_display]
    return [
        ResultList(None, [format_html_join("", "{}", ((column(row),) for column in columns))])
        for row in changelist.result_list
    ]


def _column(changelist: "QueryChangeList", name: str) -> Show:
    """Return a function that renders one cell of the column."""
    show, css = _shown(changelist, name)
    if name not in (changelist.list_display_links or ()):
        return lambda row: format_html('<td class="{}">{}</td>', css, show(row))
    link = _link(changelist)
    linked = '<th class="{}"><a href="{}">{}</a></th>'
    return lambda row: format_html(linked, css, link(row), show(row))


def _shown(changelist: "QueryChangeList", name: str) -> tuple[Show, str]:
    """Return a function that formats the column's value, and the CSS class of its cells."""
    admin, css = changelist.model_admin, f"field-{name}"
    empty = admin.get_empty_value_display()
    field = next((one for one in changelist.lookup_opts.fields if one.name == name), None)
    if field is None:
        value = getattr(admin, name)
        css = "action-checkbox" if name == "action_checkbox" else css
        return lambda row: display_for_value(value(row), empty), css
    if field.flatchoices:
        names = dict(field.flatchoices)
        return lambda row: names.get(getattr(row, name), empty), css
    return _field(field, empty), css


def _field(field: AnyField, empty: str) -> Show:
    return lambda row: display_for_field(getattr(row, field.name), field, empty)


def _link(changelist: "QueryChangeList") -> Callable[[Model], str]:
    """Return a function that builds a row's URL, which keeps the filters of the list."""
    pattern = add_preserved_filters(
        {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts},
        changelist.object_url,
    )
    return lambda row: changelist.url_for_result(row, pattern)
