"""Cut-offs and the audit trail in the admin."""

import json
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin import filters
from tokens.admin.base import ReadOnlyAdmin, session_link, user_link
from tokens.admin.revoking import LONG, begin, content_type_of, ends, said
from tokens.models import Cutoff, Event
from tokens.revocation import Selection, cut_off, preview
from tokens.selectors.events import trail
from tokens.selectors.matching import as_uuid, match
from tokens.selectors.paging import Listing

EVERYBODY = "everybody"


class EventAdmin(ReadOnlyAdmin):
    list_display = ("at", "kind", "actor_name", "subject_name", "ip", "count", "reason")
    list_filter = (
        filters.WhenFilter, filters.UserFilter, filters.ActorFilter, filters.IpFilter,
        filters.KindFilter,
    )  # fmt: skip
    fields = (
        "at", "kind", "actor_name", "subject_name", "session_shown", "jti", "ip", "user_agent",
        "client", "request_id", "reason", "count", "data_shown",
    )  # fmt: skip
    readonly_fields = fields
    search_help_text = gettext_lazy("User name, e-mail, jti, sid or address")

    def listing(self, **chosen: Any) -> Listing[Event]:
        when, text = chosen["when"], chosen["q"].strip()
        wanted: dict[str, Any] = {
            "kind": chosen["kind"] or None,
            "subject": chosen["user"],
            "actor": chosen["actor"],
            "ip": chosen["ip"] or None,
            "after": when[0],
            "before": when[1],
        }
        if not text:
            return trail(**wanted)
        found = match(text)
        if found.ip and wanted["ip"] in (None, found.ip):
            wanted["ip"] = found.ip
        elif found.users and wanted["subject"] in (None, *found.users):
            if wanted["subject"] is None:
                wanted["subject"] = found.users if len(found.users) > 1 else found.users[0]
        elif (sid := as_uuid(text)) is not None and "-" in text:
            wanted["session"] = sid
        else:
            wanted["jti"] = text[:255]
        return trail(**wanted)

    @admin.display(description=gettext_lazy("session"))
    def session_shown(self, event: Event) -> str:
        return session_link(event.session_id)

    @admin.display(description=gettext_lazy("data"))
    def data_shown(self, event: Event) -> str:
        return json.dumps(event.data, ensure_ascii=False)


class EverybodyForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500)
    typed = forms.CharField(label=gettext_lazy("Type “everybody” to confirm"))

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != EVERYBODY:
            raise forms.ValidationError(_("Type “everybody” to confirm."))
        return typed


def with_people(rows: "QuerySet[Cutoff]") -> "QuerySet[Cutoff]":
    return rows.select_related("user", "actor")


class CutoffAdmin(ReadOnlyAdmin):
    list_display = ("not_before", "whom", "actor_shown", "reason", "created_at")
    list_filter = (filters.UserFilter,)
    fields = ("whom", "not_before", "actor_shown", "reason", "created_at")
    readonly_fields = fields
    search_fields: ClassVar[Any] = ()

    def listing(self, **chosen: Any) -> Listing[Cutoff]:
        rows = Cutoff.objects.all()
        if chosen["user"] is not None:
            rows = rows.filter(user_id=chosen["user"])
        return Listing(rows=rows, key=("id",), finish=with_people)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tokens.add_cutoff")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A cut-off for everybody, now; it takes a typed word, for it ends every login."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EverybodyForm(request.POST if request.method == "POST" else None)
        expected = preview(selection=Selection(everybody=True))
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            if expected.sessions > LONG:
                # Holds from here on; what is in the tables follows.
                now = Selection(everybody=True, issued_before=timezone.now())
                return begin(request, self, now, expected, reason)
            return self._cut_everybody_off(request, reason)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Cut everybody off"),
            "opts": self.opts,
            "media": self.media,
            "preview": expected,
            "ends": ends(expected),
            "form": form,
            "everybody": True,
        }
        return TemplateResponse(request, "admin/tokens/review.html", context)

    def _cut_everybody_off(self, request: HttpRequest, reason: str) -> HttpResponse:
        ended = cut_off(not_before=timezone.now(), actor=request.user, reason=reason)
        LogEntry.objects.create(
            user_id=cast(int, request.user.pk),
            content_type=content_type_of(Cutoff),
            object_repr=EVERYBODY,
            action_flag=ADDITION,
            change_message=reason,
        )
        messages.success(request, said(ended))
        return HttpResponseRedirect(reverse("admin:tokens_cutoff_changelist"))

    @admin.display(description=gettext_lazy("whom"))
    def whom(self, cutoff: Cutoff) -> str:
        return user_link(cutoff.user) if cutoff.user is not None else EVERYBODY

    @admin.display(description=gettext_lazy("set by"))
    def actor_shown(self, cutoff: Cutoff) -> str:
        return user_link(cutoff.actor, cutoff.actor_name)
