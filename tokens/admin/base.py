"""Base classes of the admins: read-only, and paged by key."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, TypeVar, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, SuspiciousOperation, ValidationError
from django.core.paginator import Paginator
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from tokens.admin.changelist import QueryChangeList
from tokens.listing.columns import Column, Place
from tokens.listing.query import ListQuery
from tokens.listing.status import Status
from tokens.models import Event
from tokens.models.kinds import READ_ONLY_KINDS
from tokens.permissions import REVOKE
from tokens.templatetags.tokens import exact_time, when
from tokens.web.login import address_of

# The latest events of a timeline.
TIMELINE = 100
TOGGLE = mark_safe('<input type="checkbox" id="action-toggle">')
MARKS = {"active": "●", "revoked": "✕", "rotated": "↻", "expired": "○"}


M = TypeVar("M", bound=Model)
Display: TypeAlias = Callable[[Model], str]

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """Accept the model's type in brackets, which Django's class doesn't at runtime."""

        def __class_getitem__(cls, model):
            return cls


# For views whose GET writes an event. A HEAD or OPTIONS would show nothing that could be recorded.
get_or_post = method_decorator(require_http_methods(["GET", "POST"]))
# No key of a database is as far from zero.
BIG = 2**63


class HasStatus(Protocol):
    """A row of a list, with the status that the list's query computed."""

    status: str


class BaseAdmin(ModelAdmin[M]):
    """Write a list's checkboxes as Django does, but without rendering a template for each row.

    The templates would take a quarter of a page's time.
    """

    # As on the pages.
    empty_value_display = "–"

    def has_revoke_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return request.user.has_perm(REVOKE)

    @admin.display(description=TOGGLE)
    def action_checkbox(self, obj: M) -> SafeString:
        label = format_html(gettext("Select this object for an action - {}"), obj)
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            label,
        )

    def response_action(
        self, request: HttpRequest, queryset: "QuerySet[M]", *place: Any, **named_place: Any
    ) -> HttpResponse | None:
        """Refuse keys that the model can't have with a 400."""
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                known = self.model._meta.pk.to_python(key)
                if isinstance(known, int) and not -BIG <= known < BIG:
                    raise OverflowError
        except (ValidationError, OverflowError) as error:
            raise SuspiciousOperation("not a key") from error
        return super().response_action(request, queryset, *place, **named_place)


AnyAdmin: TypeAlias = BaseAdmin[Any]


class ReadOnlyAdmin(BaseAdmin[M]):
    """Allow no adding, changing or deleting, even for superusers.

    Only `tokens.revocation` ends tokens, and it records an event. ``list_query`` declares the
    filters and the columns, and finds the rows. A method ``NAME_shown`` shows the column of that
    name; other columns are fields of the model.
    """

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    search_fields: ClassVar[tuple[str, ...]] = (
        "pk",
    )  # Shows the search box; `list_query` searches.
    change_list_template = "admin/tokens/change_list.html"
    change_form_template = "admin/tokens/object.html"
    paginator = Paginator

    list_query: type[ListQuery[M]]

    def __init__(self, model: type[M], admin_site: admin.AdminSite) -> None:
        """Add the methods that show instants: as on the other pages, never without a zone."""
        super().__init__(model, admin_site)
        for column in self.list_query.columns:
            if isinstance(field := _field_of(model, column), DateTimeField):
                label = cast(str, column.label or field.verbose_name)
                words, exact = _instant_displays(field, label)
                setattr(self, f"{column.name}_shown", words)
                setattr(self, f"{column.name}_exact", exact)

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[QueryChangeList]:
        return QueryChangeList

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return self._shown(Place.ADMIN)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self._shown(Place.ADMIN_PAGE)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return self._shown(Place.ADMIN_PAGE)

    def _shown(self, place: Place) -> tuple[str, ...]:
        """Return the methods and model fields that show the columns of ``place``."""
        endings = ("exact", "shown") if place is Place.ADMIN_PAGE else ("shown",)
        return tuple(
            next((m for end in endings if hasattr(self, m := f"{column.name}_{end}")), column.path)
            for column in self.list_query.columns_on(place)
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        if self.actions and self.has_revoke_permission(request):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_matching"
            extra["revoke_matching_url"] = reverse(name)
        return super().changelist_view(request, extra)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    @admin.display(description=_("status"))
    def status_shown(self, row: HasStatus) -> str:
        return f"{MARKS.get(row.status, '')}\N{NO-BREAK SPACE}{Status(row.status).label}"


def _field_of(model: type[Model], column: Column) -> object:
    try:
        return model._meta.get_field(column.path)
    except FieldDoesNotExist:
        return None


def _instant_displays(field: "DateTimeField[Any, Any]", label: str) -> tuple[Display, Display]:
    """Return how a list shows an instant, and how the page of a row does."""

    @admin.display(description=label)
    def words(row: Model) -> str:
        return when(getattr(row, field.attname))

    @admin.display(description=label)
    def exact(row: Model) -> str:
        at = getattr(row, field.attname)
        return exact_time(at) if at else "–"

    return words, exact


def timeline_of(events: "QuerySet[Event]") -> list[Event]:
    """Return the last `TIMELINE` of ``events``, the oldest first, without reads."""
    return list(events.exclude(kind__in=READ_ONLY_KINDS)[:TIMELINE])[::-1]


def user_link(user: AbstractBaseUser | None, name: str = "") -> str:
    """Link to a user's admin page; ``name`` is shown if the user is gone."""
    if user is None:
        return name or "–"
    meta = user._meta
    url = address_of(f"admin:{meta.app_label}_{meta.model_name}_change", user.pk)
    username = str(user.get_username())
    return format_html('<a href="{}">{}</a>', url, username) if url else username


def session_link(pk: UUID | None) -> str:
    """Link to a session's admin page."""
    if pk is None:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse("admin:tokens_session_change", args=[pk]), pk)
