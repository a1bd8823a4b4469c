"""Sessions in the admin."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens import audit
from tokens.admin import filters
from tokens.admin.base import short, staff_page, user_link
from tokens.admin.matching import RevocableAdmin
from tokens.admin.outstanding import TIMELINE
from tokens.admin.revoking import Review, review
from tokens.models import Kind, Session
from tokens.revocation import Selection, revoke_session
from tokens.selectors.events import events
from tokens.selectors.paging import Listing
from tokens.selectors.sessions import session_row, sessions
from tokens.templatetags.portal import device as shown_device


class SessionAdmin(RevocableAdmin):
    list_display = (
        "sid_shown", "status_shown", "user_shown", "created_at", "last_used_at", "expires_at",
        "device", "ip",
    )  # fmt: skip
    list_filter = (
        filters.SessionStatusFilter, filters.IssuedFilter, filters.UsedFilter,
        filters.ExpiresFilter, filters.UserFilter, filters.IpFilter, filters.DeviceFilter,
        filters.ClientFilter,
    )  # fmt: skip
    fields = (
        "id", "status_shown", "user_shown", "created_at", "last_used_at", "expires_at", "ip",
        "user_agent", "client", "rotations", "current_shown", "revoked_at", "revoked_by_name",
        "revoke_reason",
    )  # fmt: skip
    readonly_fields = fields
    search_help_text = gettext_lazy("User name, e-mail, jti or its start, sid or address")

    def listing(self, **chosen: Any) -> Listing[Session]:
        spans = {name: chosen.pop(name) for name in ("issued", "used", "expires")}
        for name, (after, before) in spans.items():
            chosen |= {f"{name}_after": after, f"{name}_before": before}
        return sessions(**chosen)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Session | None:
        try:
            return session_row(pk=UUID(object_id))
        except ValueError:
            return None

    @transaction.atomic
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As on the staff pages, nobody reads one without a line in the trail."""
        session = self.get_object(request, object_id)
        extra = dict(extra_context or {})
        if session is not None and self.has_view_permission(request, session):
            revocable = self.has_revoke_permission(request) and session.revoked_at is None
            extra |= {
                "title": _("Session %(sid)s") % {"sid": short(str(session.pk))},
                "subtitle": None,
                "timeline": list(events(session=session.pk)[:TIMELINE]),
                "revoke_url": reverse("admin:tokens_session_revoke", args=[session.pk])
                if revocable
                else "",
                "revoke_label": _("Revoke session"),
                "staff_url": staff_page("session", session.pk),
            }
            audit.record(
                kind=Kind.CLAIMS_VIEWED,
                actor=request.user,
                subject=session.user,
                subject_name=session.username,
                session=session.pk,
            )
        return super().change_view(request, object_id, form_url, extra)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        session = self.get_object(request, object_id)
        if not self.has_view_permission(request, session):
            raise PermissionDenied
        if session is None:
            raise Http404
        target = session
        what = Review(
            title=_("Revoke session %(sid)s") % {"sid": short(str(target.pk))},
            selection=Selection(sessions=(target.pk,)),
            act=lambda reason: revoke_session(session=target, actor=request.user, reason=reason),
            back=reverse("admin:tokens_session_change", args=[target.pk]),
            objects=[target],
        )
        return review(request, model_admin=self, what=what)

    @admin.action(description=gettext_lazy("Revoke selected"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse:
        chosen = list(queryset.order_by("pk")[: self.list_per_page])
        selection = Selection(sessions=tuple(session.pk for session in chosen))
        return self.review_chosen(request, chosen, selection, _("Revoke selected sessions"))

    @admin.display(description=gettext_lazy("session"))
    def sid_shown(self, session: Session) -> str:
        return short(str(session.pk))

    @admin.display(description=gettext_lazy("user"))
    def user_shown(self, session: Session) -> str:
        return user_link(session.user, session.username)

    @admin.display(description=gettext_lazy("current token"))
    def current_shown(self, session: Session) -> str:
        if session.current is None:
            return "–"
        url = reverse("admin:token_blacklist_outstandingtoken_change", args=[session.current.pk])
        return format_html('<a href="{}">{}</a>', url, session.current.jti)

    @admin.display(description=gettext_lazy("device"))
    def device(self, session: Session) -> str:
        return shown_device(session.user_agent)
