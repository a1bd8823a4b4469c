"""Build the filters of the change lists from the declaration of each list.

They read what was chosen; the list's query finds the rows.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, assert_never
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.listing.query import Chosen, Filter, FilterType, ListQuery, Text
from tokens.listing.readers import READERS
from tokens.listing.search import UserKey

Span = tuple[Text, timedelta | None, timedelta | None]
PAST: dict[str, Span] = {
    "hour": (_("Past hour"), timedelta(hours=-1), None),
    "day": (_("Past 24 hours"), timedelta(days=-1), None),
    "week": (_("Past 7 days"), timedelta(days=-7), None),
    "month": (_("Past 30 days"), timedelta(days=-30), None),
    "older": (_("Earlier"), None, timedelta(days=-30)),
}
FUTURE: dict[str, Span] = {
    "past": (_("Has expired"), None, timedelta()),
    "day": (_("Within 24 hours"), timedelta(), timedelta(days=1)),
    "week": (_("Within 7 days"), timedelta(), timedelta(days=7)),
    "later": (_("Later"), timedelta(days=7), None),
}


# PostgreSQL stores no text with this character, and doesn't compare with one.
NUL = "\0"


class QueryFilter:
    """A filter that says what was chosen; the list's query finds the rows."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Model]") -> "QuerySet[Model]":
        """Leave the rows as they are."""
        return queryset

    @abstractmethod
    def chosen(self) -> Chosen | None:
        """Return the values that were chosen, by filter; None if no row can match."""


class ChoiceFilter(QueryFilter, admin.SimpleListFilter):
    """A few choices, as links."""

    options: tuple[tuple[str, Text], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(value, str(label)) for value, label in self.options]

    def chosen(self) -> Chosen | None:
        """Return the value that was chosen; None if no row can have it."""
        value = self.value()
        if value and NUL in value:
            return None
        return {str(self.parameter_name): value} if value else {}


class SpanFilter(ChoiceFilter):
    """Time spans before or after now, for the two limits of a range."""

    spans: dict[str, Span] = {}
    limits: tuple[str, str] = ("", "")

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(name, str(span[0])) for name, span in self.spans.items()]

    def chosen(self) -> Chosen | None:
        """Return the limits of the span that was chosen."""
        if self.value() is None:
            return {}
        if self.value() not in self.spans:
            return None
        now = clock.now()
        ends = zip(self.limits, self.spans[str(self.value())][1:], strict=True)
        return {name: now + end for name, end in ends if end is not None}


class TextFilter(QueryFilter, admin.ListFilter):
    """A text that is typed in and converted by ``read``."""

    template = "admin/tokens/filter_typed.html"
    parameter_name = ""
    read: Callable[[str], object] = staticmethod(str)
    completed = False

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
    ) -> None:
        super().__init__(request, params, model, model_admin)
        values = params.pop(self.parameter_name, [])
        self.text = str(values[-1]).strip() if values else ""
        if self.text:
            self.used_parameters[self.parameter_name] = self.text

    def has_output(self) -> bool:
        """Return True: the input is always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the parameter of the query string."""
        return [self.parameter_name]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, object]]:
        """Return the context of the template."""
        others = {k: v for k, v in changelist.params.items() if k != self.parameter_name}
        yield {
            "name": self.parameter_name,
            "text": self.text,
            "others": others.items(),
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
            "completes": self.completes(),
        }

    def completes(self) -> str:
        """Return the address that completes what is typed; empty if there is none."""
        if not self.completed:
            return ""
        which = {"app_label": "tokens", "model_name": "session", "field_name": "user"}
        return f"{reverse('admin:autocomplete')}?{urlencode(which)}"

    def chosen(self) -> Chosen | None:
        """Return the value that was typed; None if no row can have it."""
        if not self.text:
            return {}
        value = None if NUL in self.text else self.read(self.text)
        return None if value is None else {self.parameter_name: value}


def list_filters(
    query: type[ListQuery[Model]], *, only: tuple[str, ...] = ()
) -> tuple[type[admin.ListFilter], ...]:
    """Return the admin's filter classes of a list, in the order of its declaration.

    The search is the admin's own search box.
    """
    found: list[type[admin.ListFilter]] = []
    ranges: set[str] = set()
    for name, declared in query.filters().items():
        if declared.type is FilterType.SEARCH or declared.range in ranges:
            continue
        ranges |= {declared.range} - {""}
        if not only or name in only:
            found.append(_filter_class(query, name, declared))
    return tuple(found)


def _filter_class(
    query: type[ListQuery[Model]], name: str, declared: Filter
) -> type[admin.ListFilter]:
    own: dict[str, object] = {"title": declared.label, "parameter_name": name}
    match declared.type:
        case FilterType.CHOICE:
            return type("Choice", (ChoiceFilter,), own | {"options": declared.choices})
        case FilterType.INSTANT:
            limits = tuple(n for n, d in query.filters().items() if d.range == declared.range)
            own |= {"title": declared.range_label, "parameter_name": declared.range}
            spans = FUTURE if declared.future else PAST
            return type("Range", (SpanFilter,), own | {"spans": spans, "limits": limits})
        case FilterType.USER:
            read = staticmethod(_user_key)
            return type("Account", (TextFilter,), own | {"read": read, "completed": True})
        case FilterType.SESSION | FilterType.NUMBER | FilterType.ADDRESS:
            own |= {"read": staticmethod(READERS[declared.type].read)}
            return type("Value", (TextFilter,), own)
        case FilterType.SEARCH | FilterType.TEXT:
            return type("Text", (TextFilter,), own)
        case _:
            assert_never(declared.type)


def _user_key(name: str) -> UserKey | None:
    if "\0" in name:  # PostgreSQL rejects a NUL in text.
        return None
    users = get_user_model()._default_manager
    field = get_user_model().USERNAME_FIELD
    return users.filter(**{field: name}).values_list("pk", flat=True).first()
