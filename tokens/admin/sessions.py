"""Show and revoke sessions in the admin."""

from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import get_or_post, timeline_of, user_link
from tokens.admin.filters import list_filters
from tokens.admin.revocable import RevocableAdmin
from tokens.admin.revoking import Review, review
from tokens.audit.reads import record_session_read
from tokens.listing.events import events_of
from tokens.listing.sessions import SessionQuery, add_origins, session_row
from tokens.listing.status import Status
from tokens.models import Session
from tokens.revocation import Selection, may_revoke, revoke_session
from tokens.templatetags.tokens import device, exact_time, reason, short_id
from tokens.web.login import address_of


class SessionAdmin(RevocableAdmin[Session]):
    list_query = SessionQuery
    list_filter = list_filters(SessionQuery)
    search_help_text = gettext_lazy("User name, e-mail, jti or its start, sid or address")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Session | None:
        try:
            return session_row(pk=UUID(object_id))
        except ValueError:
            return None

    @transaction.atomic
    @get_or_post
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show the session, and record an event in the same transaction."""
        session = self.get_object(request, object_id)
        extra = dict(extra_context or {})
        if session is not None and self.has_view_permission(request, session):
            revocable = (
                self.has_revoke_permission(request)
                and session.revoked_at is None
                and may_revoke(actor=request.user, user=session.user)
            )
            is_live = getattr(session, "status", None) == Status.ACTIVE
            extra |= {
                "title": _("Session %(sid)s") % {"sid": short_id(session.pk)},
                "subtitle": None,
                "timeline": timeline_of(events_of(session.pk, is_live=is_live)),
                "revoke_url": reverse("admin:tokens_session_revoke", args=[session.pk])
                if revocable
                else "",
                "revoke_label": _("Revoke session"),
                "staff_url": address_of("tokens_staff:session", session.pk),
            }
            record_session_read(session=session, actor=request.user)
        return super().change_view(request, object_id, form_url, extra)

    @get_or_post
    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        session = self.get_object(request, object_id)
        if not self.has_view_permission(request, session):
            raise PermissionDenied
        if session is None:
            raise Http404
        target = session
        what = Review(
            title=_("Revoke session %(sid)s") % {"sid": short_id(target.pk)},
            selection=Selection(sessions=(target.pk,)),
            act=lambda why: revoke_session(session=target, actor=request.user, reason=why),
            back=reverse("admin:tokens_session_change", args=[target.pk]),
            objects=[target],
        )
        return review(request, model_admin=self, what=what)

    @admin.action(description=gettext_lazy("Revoke selected"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: "QuerySet[Session]") -> HttpResponse:
        chosen = list(queryset.order_by("pk")[: self.list_per_page])
        selection = Selection(sessions=tuple(session.pk for session in chosen))
        return self.review_chosen(request, chosen, selection, _("Revoke selected sessions"))

    @admin.display(description=gettext_lazy("session"))
    def sid_shown(self, session: Session) -> str:
        return short_id(session.pk)

    @admin.display(description=gettext_lazy("user"))
    def user_shown(self, session: Session) -> str:
        return user_link(session.user, session.username)

    @admin.display(description=gettext_lazy("current token"))
    def current_shown(self, session: Session) -> str:
        if session.current is None:
            return "–"
        url = reverse("admin:token_blacklist_outstandingtoken_change", args=[session.current.pk])
        return format_html('<a href="{}">{}</a>', url, session.current.jti)

    @admin.display(description=gettext_lazy("reason"))
    def revoke_reason_shown(self, session: Session) -> str:
        return reason(session.revoke_reason)

    @admin.display(description=gettext_lazy("seen at"))
    def seen_shown(self, session: Session) -> str:
        add_origins([session])
        rows = (
            (
                origin.ip,
                device(origin.user_agent),
                exact_time(origin.first_seen_at),
                exact_time(origin.last_seen_at),
            )
            for origin in session.seen
        )
        return format_html_join(mark_safe("<br>"), "{} {}: {} – {}", rows) or "–"

    @admin.display(description=gettext_lazy("device"))
    def device_shown(self, session: Session) -> str:
        return device(session.user_agent)
