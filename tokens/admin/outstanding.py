"""Outstanding tokens in the admin: masked, explained, revocable."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens import audit
from tokens.admin import filters
from tokens.admin.base import session_link, short, staff_page, user_link
from tokens.admin.detail import claims_of
from tokens.admin.matching import RevocableAdmin
from tokens.admin.revoking import Review, review
from tokens.models import Kind, OutstandingToken
from tokens.revocation import Selection, revoke_token
from tokens.selectors.events import events
from tokens.selectors.paging import Listing
from tokens.selectors.status import with_token_status
from tokens.selectors.tokens import outstanding_tokens
from tokens.templatetags.portal import device as shown_device

TIMELINE = 100


class OutstandingTokenAdmin(RevocableAdmin):
    list_display = (
        "jti_shown", "status_shown", "user_shown", "created_at", "expires_at", "device", "ip",
    )  # fmt: skip
    list_filter = (
        filters.StatusFilter, filters.IssuedFilter, filters.ExpiresFilter, filters.UserFilter,
        filters.IpFilter, filters.DeviceFilter,
    )  # fmt: skip
    fields = ("jti", "status_shown", "user_shown", "session_shown", "created_at", "expires_at")
    readonly_fields = fields
    search_help_text = gettext_lazy("User name, e-mail, jti or its start, sid or address")

    def listing(self, **chosen: Any) -> Listing[OutstandingToken]:
        issued, expires = chosen.pop("issued"), chosen.pop("expires")
        return outstanding_tokens(
            **chosen,
            issued_after=issued[0],
            issued_before=issued[1],
            expires_after=expires[0],
            expires_before=expires[1],
        )

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> OutstandingToken | None:
        rows = with_token_status(OutstandingToken.objects.all())
        rows = rows.select_related("user", "membership__session")
        try:
            return rows.filter(pk=object_id).first()
        except (ValueError, OverflowError):
            return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Nobody reads claims without a line in the trail: both commit, or neither."""
        with transaction.atomic():
            token = self.get_object(request, object_id)
            if token is not None and self.has_view_permission(request, token):
                extra_context = {**(extra_context or {}), **self._detail(request, token)}
                audit.record(
                    kind=Kind.CLAIMS_VIEWED,
                    actor=request.user,
                    subject=token.user,
                    session=token.session_id,
                    jti=token.jti,
                )
            return super().change_view(request, object_id, form_url, extra_context)

    def _detail(self, request: HttpRequest, token: Any) -> dict[str, Any]:
        timeline = events(session=token.session_id) if token.session_id else events(jti=token.jti)
        revocable = self.has_revoke_permission(request) and token.status == "active"
        return {
            **claims_of(token),
            "timeline": list(timeline[:TIMELINE]),
            "title": _("Token %(jti)s") % {"jti": short(token.jti)},
            "subtitle": None,
            "revoke_url": reverse("admin:token_blacklist_outstandingtoken_revoke", args=[token.pk])
            if revocable
            else "",
            "revoke_label": _("Revoke token"),
            "staff_url": staff_page("token", token.jti),
        }

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = self.get_object(request, object_id)
        if not self.has_view_permission(request, token):
            raise PermissionDenied
        if token is None:
            raise Http404
        jti = token.jti
        what = Review(
            title=_("Revoke token %(jti)s") % {"jti": short(jti)},
            selection=Selection(jtis=(jti,)),
            act=lambda reason: revoke_token(jti=jti, actor=request.user, reason=reason),
            back=reverse("admin:token_blacklist_outstandingtoken_change", args=[token.pk]),
            objects=[token],
        )
        return review(request, model_admin=self, what=what)

    @admin.action(description=gettext_lazy("Revoke selected"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse:
        chosen = list(queryset.select_related("user").order_by("-pk")[: self.list_per_page])
        selection = Selection(jtis=tuple(token.jti for token in chosen))
        return self.review_chosen(request, chosen, selection, _("Revoke selected tokens"))

    @admin.display(description="jti")
    def jti_shown(self, token: OutstandingToken) -> str:
        return short(token.jti, 6)

    @admin.display(description=gettext_lazy("user"))
    def user_shown(self, token: Any) -> str:
        return user_link(token.user)

    @admin.display(description=gettext_lazy("session"))
    def session_shown(self, token: Any) -> str:
        return session_link(token.session_id)

    @admin.display(description=gettext_lazy("device"))
    def device(self, token: Any) -> str:
        return shown_device(token.membership.session.user_agent) if token.session_id else ""

    @admin.display(description=gettext_lazy("address"))
    def ip(self, token: Any) -> str:
        return token.membership.session.ip or "" if token.session_id else ""
