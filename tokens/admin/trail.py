"""Show cutoffs and the audit trail in the admin."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import ReadOnlyAdmin, get_or_post, session_link, user_link
from tokens.admin.filters import list_filters
from tokens.admin.revoking import begin, describe_end, describe_ended, propose_instead
from tokens.listing.columns import ADMIN, ADMIN_PAGE, Column
from tokens.listing.events import EventQuery
from tokens.listing.pagination import Listing
from tokens.listing.query import FilterType, ListQuery, Text, declare
from tokens.listing.search import UserKey
from tokens.listing.selection import words_of
from tokens.models import Cutoff, Event
from tokens.models.lengths import REASON_LENGTH
from tokens.permissions import CUT_OFF
from tokens.revocation import (
    Selection,
    cut_off,
    cutoff_instant,
    needs_approval,
    preview,
    review,
    within_authority,
)
from tokens.revocation.reviews import LONG
from tokens.templatetags.tokens import reason
from tokens.web.proof import proof_needed

EVERYONE = "everyone"


class EventAdmin(ReadOnlyAdmin[Event]):
    list_query = EventQuery
    list_filter = list_filters(EventQuery)
    search_help_text = gettext_lazy("User name, e-mail, jti, sid or address")

    @admin.display(description=gettext_lazy("session"))
    def session_shown(self, event: Event) -> str:
        return session_link(event.session_id)

    @admin.display(description=gettext_lazy("reason"))
    def reason_shown(self, event: Event) -> str:
        return reason(event.reason)

    @admin.display(description=gettext_lazy("filter"))
    def filter_shown(self, event: Event) -> str:
        return words_of(event.data.get("filter") or {})

    @admin.display(description=gettext_lazy("data"))
    def data_shown(self, event: Event) -> str:
        return json.dumps(event.data, ensure_ascii=False)


class EveryoneForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=REASON_LENGTH)
    typed = forms.CharField(label=gettext_lazy("Type “everyone” to confirm"))

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != EVERYONE:
            raise forms.ValidationError(_("Type “everyone” to confirm."))
        return typed


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoffQuery(ListQuery[Cutoff]):
    """Cutoffs, the newest first."""

    noun: ClassVar[Text] = gettext_lazy("cutoffs")
    user: UserKey | None = declare(
        None, type=FilterType.USER, label=gettext_lazy("Account"), words=gettext_lazy("of %s")
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column("not_before", ADMIN | ADMIN_PAGE),
        Column("users", ADMIN | ADMIN_PAGE),
        Column("actor", ADMIN | ADMIN_PAGE),
        Column("reason", ADMIN | ADMIN_PAGE),
        Column("created_at", ADMIN | ADMIN_PAGE),
    )

    def listing(self) -> Listing[Cutoff]:
        """Return the cutoffs, to be paged through."""
        rows = Cutoff.objects.none() if self.unsatisfiable else Cutoff.objects.all()
        if self.user is not None:
            rows = rows.filter(Q(user_id=self.user))
        return Listing(rows=rows, key=("id",), finish=_with_users, mark=self.mark)


def _with_users(rows: "QuerySet[Cutoff]") -> "QuerySet[Cutoff]":
    return rows.select_related("user", "actor")


class CutoffAdmin(ReadOnlyAdmin[Cutoff]):
    """Show cutoffs. Adding one logs everyone out."""

    list_query = CutoffQuery
    list_filter = list_filters(CutoffQuery)
    search_fields = ()

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Cutoff]":
        """Return the cutoffs with their users, who are in the titles of the pages."""
        return super().get_queryset(request).select_related("user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CUT_OFF)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow deleting an account together with its cutoffs, from any admin of accounts.

        Cutoffs can't be deleted by hand. With the account, its tokens end too, so no token becomes
        valid again.
        """
        match = request.resolver_match
        name = match.url_name or "" if match is not None else ""
        return name.endswith(("_delete", "_changelist")) and not name.startswith("tokens_cutoff_")

    @get_or_post
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Log everyone out, after a typed word confirms it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EveryoneForm(request.POST if request.method == "POST" else None)
        everybody = Selection(everybody=True)
        everybody = within_authority(actor=request.user, selection=everybody)
        expected = preview(selection=everybody)
        proof = proof_needed(request, sent=form.is_bound)
        if form.is_valid() and proof is None:
            why = form.cleaned_data["reason"]
            now = replace(everybody, issued_before=cutoff_instant())
            if needs_approval(actor=request.user, selection=now, found=expected):
                return propose_instead(request, self, now, expected, why)
            if expected.tokens > LONG:
                # The cutoff takes effect at once; the job marks the sessions.
                return begin(request, self, now, expected, why)
            return self._log_everyone_out(request, why)
        expected = review(selection=everybody, actor=request.user, found=expected)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Log everyone out"),
            "opts": self.opts,
            "media": self.media,
            "preview": expected,
            "ends": describe_end(expected),
            "form": form,
            "proof": proof,
            "proposes": needs_approval(actor=request.user, selection=everybody, found=expected),
            "everybody": True,
        }
        return TemplateResponse(request, "admin/tokens/review.html", context)

    def _log_everyone_out(self, request: HttpRequest, why: str) -> HttpResponse:
        ended = cut_off(actor=request.user, reason=why)
        row = Cutoff.objects.filter(user=None).order_by("-pk")[:1]
        user = cast(AbstractBaseUser, request.user)  # the admin requires a login
        LogEntry.objects.log_actions(user.pk, row, ADDITION, why)
        messages.success(request, describe_ended(ended))
        return HttpResponseRedirect(reverse("admin:tokens_cutoff_changelist"))

    @admin.display(description=gettext_lazy("users"))
    def users_shown(self, cutoff: Cutoff) -> str:
        return user_link(cutoff.user) if cutoff.user is not None else _("everyone")

    @admin.display(description=gettext_lazy("set by"))
    def actor_shown(self, cutoff: Cutoff) -> str:
        return user_link(cutoff.actor, cutoff.actor_name)
