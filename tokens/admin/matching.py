"""What tokens and sessions have in common in the admin: they are ended one from its page, several
from the list, or all that the list's search and filters match, however many pages that is."""

from abc import abstractmethod
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import ReadOnlyAdmin
from tokens.admin.revoking import Review, review
from tokens.revocation import Revocation, Selection, revoke_matching
from tokens.selectors.matching import match

NOT_AS_ONE = gettext_lazy(
    "These filters cannot be revoked as one: narrow by user, address, device or search, without "
    "times or another status."
)


class RevocableAdmin(ReadOnlyAdmin):
    actions = ("revoke_selected",)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("revoke-matching/", view(self.revoke_matching_view), name=f"{name}_matching"),
            path("<path:object_id>/revoke/", view(self.revoke_view), name=f"{name}_revoke"),
            *super().get_urls(),
        ]

    @abstractmethod
    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The review of the end of one."""

    def revoke_matching_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        changelist: Any = self.get_changelist_instance(request)
        selection = matching(**changelist.chosen)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if selection is None:
            self.message_user(request, NOT_AS_ONE, level="warning")
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
        self, request: HttpRequest, chosen: list[Any], selection: Selection, title: str
    ) -> HttpResponse:
        """The review of the end of the ``chosen`` rows of the list."""
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


def matching(**chosen: Any) -> Selection | None:
    """The list's filters as a `Selection`, or None where it would end more than is listed."""
    if any(any(chosen[span]) for span in ("issued", "expires", "used") if span in chosen):
        return None
    if chosen.get("status") not in ("", "active"):
        return None
    users: tuple[Any, ...] = (chosen["user"],) if chosen.get("user") is not None else ()
    ip = chosen.get("ip") or None
    sids: tuple[Any, ...] = ()
    if chosen["q"].strip():
        found = match(chosen["q"])
        if found.ip and ip in (None, found.ip):
            ip = found.ip
        elif found.sid is not None:
            sids = (found.sid,)
        elif len(found.users) == 1 and users in ((), found.users):
            users = found.users
        else:
            return None
    selection = Selection(
        users=users,
        sessions=sids,
        ip=ip,
        client=chosen.get("client", ""),
        user_agent=chosen.get("device", ""),
    )
    return None if selection.empty else selection
