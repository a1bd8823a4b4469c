"""Filters of the change lists. They only say what was chosen; the selectors do the finding."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tokens.models import Kind
from tokens.selectors.status import Status


class Choice(admin.SimpleListFilter):
    """One of a few, as links."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset

    def chosen(self) -> Any:
        return self.value() or ""


class StatusFilter(Choice):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Status.choices


class SessionStatusFilter(StatusFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [pair for pair in Status.choices if pair[0] != Status.ROTATED]


class KindFilter(Choice):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Kind.choices


class Span(Choice):
    """A time span before or after now. `chosen` gives its two ends, either of them None."""

    spans: dict[str, tuple[Any, timedelta | None, timedelta | None]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(name, span[0]) for name, span in self.spans.items()]

    def chosen(self) -> Any:
        if self.value() not in self.spans:
            return None, None
        now = timezone.now()
        _label, start, end = self.spans[str(self.value())]
        return (
            None if start is None else now + start,
            None if end is None else now + end,
        )


PAST = {
    "hour": (_("Past hour"), timedelta(hours=-1), None),
    "day": (_("Past 24 hours"), timedelta(days=-1), None),
    "week": (_("Past 7 days"), timedelta(days=-7), None),
    "month": (_("Past 30 days"), timedelta(days=-30), None),
    "older": (_("Earlier"), None, timedelta(days=-30)),
}


class IssuedFilter(Span):
    title = _("issued")
    parameter_name = "issued"
    spans = PAST


class UsedFilter(Span):
    title = _("last used")
    parameter_name = "used"
    spans = PAST


class WhenFilter(Span):
    title = _("time")
    parameter_name = "when"
    spans = PAST


class ExpiresFilter(Span):
    title = _("expires")
    parameter_name = "expires"
    spans = {
        "past": (_("Has expired"), None, timedelta()),
        "day": (_("Within 24 hours"), timedelta(), timedelta(days=1)),
        "week": (_("Within 7 days"), timedelta(), timedelta(days=7)),
        "later": (_("Later"), timedelta(days=7), None),
    }


class Typed(admin.ListFilter):
    """A text that is typed in."""

    template = "admin/tokens/filter_typed.html"
    parameter_name = ""

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        values = params.pop(self.parameter_name, [])
        self.text = str(values[-1]).strip() if values else ""
        if self.text:
            self.used_parameters[self.parameter_name] = self.text

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = {k: v for k, v in changelist.params.items() if k != self.parameter_name}
        yield {
            "name": self.parameter_name,
            "text": self.text,
            "others": others.items(),
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
            "completes": self.completes(),
        }

    def completes(self) -> str:
        """The address that offers values for what is typed; empty where none does."""
        return ""

    def chosen(self) -> Any:
        return self.text


class IpFilter(Typed):
    title = _("address")
    parameter_name = "ip"


class DeviceFilter(Typed):
    title = _("device")
    parameter_name = "device"


class ClientFilter(Typed):
    title = _("client")
    parameter_name = "client"


class UserFilter(Typed):
    """A user by name, completed as it is typed."""

    title = _("user")
    parameter_name = "user"

    def completes(self) -> str:
        which = {"app_label": "tokens", "model_name": "session", "field_name": "user"}
        return f"{reverse('admin:autocomplete')}?{urlencode(which)}"

    def chosen(self) -> Any:
        """The user's key; 0, which is nobody's, for a name that nobody has."""
        if not self.text:
            return None
        users = get_user_model()._default_manager
        field = get_user_model().USERNAME_FIELD
        named = users.filter(**{field: self.text}).values_list("pk", flat=True).first()
        return named if named is not None else NOBODY


class ActorFilter(UserFilter):
    """Whoever did it."""

    title = _("actor")
    parameter_name = "actor"


NOBODY = 0
