"""Show, explain and revoke outstanding tokens in the admin."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import get_or_post, session_link, timeline_of, user_link
from tokens.admin.filters import list_filters
from tokens.admin.revocable import RevocableAdmin
from tokens.admin.revoking import Review, review
from tokens.audit.reads import record_token_read
from tokens.listing.events import EventQuery, events_of
from tokens.listing.status import Status
from tokens.listing.tokens import TokenQuery, token_row
from tokens.models import OutstandingToken
from tokens.revocation import Selection, may_revoke, revoke_token
from tokens.templatetags.tokens import device, short_id
from tokens.validation.details import describe_token
from tokens.web.login import address_of


class OutstandingTokenAdmin(RevocableAdmin[OutstandingToken]):
    list_query = TokenQuery
    list_filter = list_filters(TokenQuery)
    search_help_text = gettext_lazy("User name, e-mail, jti or its start, sid or address")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> OutstandingToken | None:
        try:
            return token_row(pk=int(object_id))
        except (ValueError, OverflowError):
            return None

    @get_or_post
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Show the claims, and record an event in the same transaction."""
        with transaction.atomic():
            token = self.get_object(request, object_id)
            if token is not None and self.has_view_permission(request, token):
                extra_context = {**(extra_context or {}), **self._detail(request, token)}
                record_token_read(token=token, actor=request.user)
            return super().change_view(request, object_id, form_url, extra_context)

    def _detail(self, request: HttpRequest, token: OutstandingToken) -> dict[str, object]:
        timeline = (
            events_of(token.session_id, is_live=token.status == Status.ACTIVE)
            if token.session_id
            else EventQuery(jti=token.jti).rows()
        )
        revocable = (
            self.has_revoke_permission(request)
            and token.status == "active"
            and may_revoke(actor=request.user, user=token.user)
        )
        return {
            "details": describe_token(token.token),
            "timeline": timeline_of(timeline),
            "title": _("Token %(jti)s") % {"jti": short_id(token.jti)},
            "subtitle": None,
            "revoke_url": reverse("admin:token_blacklist_outstandingtoken_revoke", args=[token.pk])
            if revocable
            else "",
            "revoke_label": _("Revoke token"),
            "staff_url": address_of("tokens_staff:token", token.jti),
        }

    @get_or_post
    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self.get_object(request, object_id)
        if not self.has_view_permission(request, token):
            raise PermissionDenied
        if token is None:
            raise Http404
        jti = token.jti
        what = Review(
            title=_("Revoke token %(jti)s") % {"jti": short_id(jti)},
            selection=Selection(jtis=(jti,)),
            act=lambda reason: revoke_token(jti=jti, actor=request.user, reason=reason),
            back=reverse("admin:token_blacklist_outstandingtoken_change", args=[token.pk]),
            objects=[token],
        )
        return review(request, model_admin=self, what=what)

    @admin.action(description=gettext_lazy("Revoke selected"), permissions=["revoke"])
    def revoke_selected(
        self, request: HttpRequest, queryset: "QuerySet[OutstandingToken]"
    ) -> HttpResponse:
        chosen = list(queryset.select_related("user").order_by("-pk")[: self.list_per_page])
        selection = Selection(jtis=tuple(token.jti for token in chosen))
        return self.review_chosen(request, chosen, selection, _("Revoke selected tokens"))

    @admin.display(description="jti")
    def short_jti_shown(self, token: OutstandingToken) -> str:
        return short_id(token.jti)

    @admin.display(description=gettext_lazy("user"))
    def user_shown(self, token: OutstandingToken) -> str:
        return user_link(token.user)

    @admin.display(description=gettext_lazy("session"))
    def session_shown(self, token: OutstandingToken) -> str:
        return session_link(token.session_id)

    @admin.display(description=gettext_lazy("device"))
    def device_shown(self, token: OutstandingToken) -> str:
        return device(token.membership.session.user_agent) if token.session_id else ""

    @admin.display(description=gettext_lazy("address"))
    def ip_shown(self, token: OutstandingToken) -> str:
        return token.membership.session.ip or "" if token.session_id else ""
