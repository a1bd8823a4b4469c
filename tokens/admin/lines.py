"""The lines of a list as Django's admin writes them, column by column. It asks anew for each cell
what column that is, and spells each instant letter by letter: half of a page's time."""

from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from django.contrib.admin.templatetags.admin_list import ResultList
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_field, display_for_value
from django.db.models import DateTimeField, Field
from django.utils import timezone
from django.utils.dateformat import format as format_day
from django.utils.dateformat import time_format
from django.utils.formats import date_format, get_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language

Show = Callable[[Any], Any]
# How an instant ends in English, in German and in most languages.
CLOCKS = ("P", "H:i")


def lines(changelist: Any) -> list[Any]:
    """For `admin/change_list_results.html`, each line in one piece."""
    columns = [_column(changelist, name) for name in changelist.list_display]
    return [
        ResultList(None, [format_html_join("", "{}", ((column(row),) for column in columns))])
        for row in changelist.result_list
    ]


def _column(changelist: Any, name: str) -> Show:
    """What writes a cell of it: the markup and the way to the value are the same in all lines."""
    show, css = _shown(changelist, name)
    if name not in (changelist.list_display_links or ()):
        return lambda row: format_html('<td class="{}">{}</td>', css, show(row))
    link = _link(changelist)
    linked = '<th class="{}"><a href="{}">{}</a></th>'
    return lambda row: format_html(linked, css, link(row), show(row))


def _shown(changelist: Any, name: str) -> tuple[Show, str]:
    """A column's value as it is shown, and its class."""
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
    if isinstance(field, DateTimeField):
        return lambda row: instant(getattr(row, name)) or empty, f"{css} nowrap"
    return _field(field, empty), css


def _field(field: "Field[Any, Any]", empty: str) -> Show:
    return lambda row: display_for_field(getattr(row, field.name), field, empty)


def _link(changelist: Any) -> Callable[[Any], str]:
    """The address of an object, with the way back to the list as it is filtered now."""
    kept = {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts}
    pattern = add_preserved_filters(kept, changelist.object_url)
    return lambda row: changelist.url_for_result(row, pattern)


def instant(at: datetime | None) -> str:
    """As Django shows it. Days and minutes are few, and each is spelled once."""
    if at is None:
        return ""
    local, form, language = timezone.localtime(at), get_format("DATETIME_FORMAT"), get_language()
    for clock in CLOCKS:
        if form.endswith(clock):
            day = _day(language, local.date(), form.removesuffix(clock))
            return day + _minute(language, local.hour, local.minute, clock)
    return date_format(local, "DATETIME_FORMAT")


@lru_cache(maxsize=2048)
def _day(language: str, day: date, form: str) -> str:
    return format_day(day, form)


@lru_cache(maxsize=4096)
def _minute(language: str, hour: int, minute: int, form: str) -> str:
    return time_format(time(hour, minute), form)
