"""What the token admins share: read-only, and listed by key."""

from abc import abstractmethod
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tokens.admin.changelist import KeyChangeList
from tokens.selectors.paging import Listing
from tokens.selectors.status import Status

MARKS = {"active": "●", "revoked": "✕", "rotated": "↻", "expired": "○"}


class PlainCheckbox(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list's checkboxes as Django writes them, without rendering a widget's template for each
    row: that takes a quarter of a page's time."""

    @admin.display(description=mark_safe('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, obj: Any) -> SafeString:
        label = format_html(gettext("Select this object for an action - {}"), obj)
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            label,
        )


class ReadOnlyAdmin(PlainCheckbox):
    """No add, no change, no delete: what ends a token is `tokens.revocation`, and it leaves an
    event. Nobody is let off, the superuser included."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    search_fields = ("pk",)  # Shows the search box; `listing` does the finding.
    change_list_template = "admin/tokens/change_list.html"
    change_form_template = "admin/tokens/object.html"
    paginator = Paginator

    @abstractmethod
    def listing(self, **chosen: Any) -> Listing[Any]:
        """What the chosen filters, by their names, and the search text ``q`` find."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeyChangeList]:
        return KeyChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        if self.actions and self.has_revoke_permission(request):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_matching"
            extra["revoke_matching_url"] = reverse(name)
        return super().changelist_view(request, extra)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("tokens.revoke_token")

    @admin.display(description=_("status"))
    def status_shown(self, row: Any) -> str:
        return f"{MARKS.get(row.status, '')}\N{NO-BREAK SPACE}{Status(row.status).label}"


def user_link(user: Any | None, name: str = "") -> str:
    if user is None:
        return name or "–"
    meta = user._meta
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[user.pk])
    except NoReverseMatch:
        return str(user.get_username())
    return format_html('<a href="{}">{}</a>', url, user.get_username())


def session_link(pk: Any | None) -> str:
    if pk is None:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse("admin:tokens_session_change", args=[pk]), pk)


def staff_page(name: str, *args: Any) -> str:
    """The same thing on the staff pages; empty where a project leaves those out."""
    try:
        return reverse(f"staff:{name}", args=args)
    except NoReverseMatch:
        return ""


def short(text: str, keep: int = 4) -> str:
    return text if len(text) <= 2 * keep + 1 else f"{text[:keep]}…{text[-keep:]}"
