"""Revoke tokens and sessions in the admin.

A row is revoked from its page, several rows from the list, and everything that matches the list's
search and filters from a review of its own.
"""

from abc import abstractmethod
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import TOGGLE, ReadOnlyAdmin, get_or_post
from tokens.admin.revoking import Review, review
from tokens.listing.revocable import RevocableQuery
from tokens.listing.status import Status
from tokens.revocation import Revocation, Selection, revoke_matching

M = TypeVar("M", bound=Model)
NO_FILTER = gettext_lazy("Choose a filter first. To revoke all sessions, log everyone out.")


class RevocableAdmin(ReadOnlyAdmin[M]):
    """A read-only admin whose rows can be revoked."""

    actions = ("revoke_selected",)
    list_query: type[RevocableQuery[M]]

    def get_urls(self) -> list[URLPattern]:
        """Add the two reviews."""
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("revoke-matching/", view(self.revoke_matching_view), name=f"{name}_matching"),
            path("<path:object_id>/revoke/", view(self.revoke_view), name=f"{name}_revoke"),
            *super().get_urls(),
        ]

    @admin.display(description=TOGGLE)
    def action_checkbox(self, obj: M) -> SafeString:
        """Return the checkbox of a row that can be revoked."""
        is_live = getattr(obj, "status", None) == Status.ACTIVE
        return super().action_checkbox(obj) if is_live else mark_safe("&nbsp;")

    @abstractmethod
    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Review the revocation of one row."""

    @get_or_post
    def revoke_matching_view(self, request: HttpRequest) -> HttpResponse:
        """Review the revocation of everything that the list shows with these filters."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        changelist: Any = self.get_changelist_instance(request)
        selection = Selection(matching=changelist.list_query)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if not changelist.filtered:
            self.message_user(request, NO_FILTER, level=messages.WARNING)
            return HttpResponseRedirect(f"{back}?{request.GET.urlencode()}")
        what = Review(
            title=_("Revoke all that match"),
            selection=selection,
            act=lambda reason: _act(request, selection, reason),
            back=back,
            batched=True,
            long=True,
        )
        return review(request, model_admin=self, what=what)

    def review_chosen(
        self, request: HttpRequest, chosen: list[M], selection: Selection, title: str
    ) -> HttpResponse:
        """Review the revocation of the ``chosen`` rows of the list."""
        what = Review(
            title=title,
            selection=selection,
            act=lambda reason: _act(request, selection, reason),
            back=request.get_full_path(),
            objects=chosen,
            kept=[
                ("action", "revoke_selected"),
                *(("_selected_action", str(row.pk)) for row in chosen),
            ],
        )
        return review(request, model_admin=self, what=what)


def _act(request: HttpRequest, selection: Selection, reason: str) -> Revocation:
    return revoke_matching(selection=selection, actor=request.user, reason=reason)
