"""Build the filters of the change lists from the declaration of each list.

They read what was chosen; the list's query finds the rows.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, assert_never
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from tokens.listing.query import Chosen, Filter, FilterType, ListQuery, Text
from tokens.listing.readers import READERS
from tokens.listing.search import UserKey

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

    The search is the admin's own search box. Of a range, the admin has the relative limits.
    """
    return tuple(
        _filter_class(name, declared)
        for name, declared in query.filters().items()
        if declared.type not in (FilterType.SEARCH, FilterType.INSTANT)
        and (not only or name in only)
    )


def _filter_class(name: str, declared: Filter) -> type[admin.ListFilter]:
    own: dict[str, object] = {"title": declared.label, "parameter_name": name}
    match declared.type:
        case FilterType.CHOICE | FilterType.PERIOD:
            return type("Choice", (ChoiceFilter,), own | {"options": declared.choices})
        case FilterType.USER:
            read = staticmethod(_user_key)
            return type("Account", (TextFilter,), own | {"read": read, "completed": True})
        case FilterType.SESSION | FilterType.NUMBER | FilterType.ADDRESS:
            own |= {"read": staticmethod(READERS[declared.type].read)}
            return type("Value", (TextFilter,), own)
        case FilterType.SEARCH | FilterType.TEXT | FilterType.INSTANT:
            return type("Text", (TextFilter,), own)
        case _:
            assert_never(declared.type)


def _user_key(name: str) -> UserKey | None:
    if "\0" in name:  # PostgreSQL rejects a NUL in text.
        return None
    users = get_user_model()._default_manager
    field = get_user_model().USERNAME_FIELD
    return users.filter(**{field: name}).values_list("pk", flat=True).first()
