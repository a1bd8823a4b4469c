"""The review before a revocation in the admin: what would end, the reason, and only then the
act, with a line in the admin's own history."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tokens.admin.base import staff_page
from tokens.revocation import Preview, Revocation, Selection, preview, start_job

# Above so many sessions the number is typed, so that nobody ends a company by a slip.
TYPED_ABOVE = 25
# More than this many are worked off by a job, and not while somebody waits.
LONG = 1000


class ReasonForm(forms.Form):
    """``number`` is asked for where it says how much would end."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, strip=True)
    number = forms.CharField(label=gettext_lazy("Number of sessions, to confirm"), required=False)

    def __init__(self, *args: Any, sessions: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sessions = sessions
        self.fields["reason"].widget.attrs |= {"class": "vTextField", "autocomplete": "off"}
        if sessions <= TYPED_ABOVE:
            del self.fields["number"]

    def clean_number(self) -> str:
        number = str(self.cleaned_data["number"]).strip().replace(",", "")
        if number != str(self.sessions):
            raise forms.ValidationError(
                _("Type %(number)s to confirm."), params={"number": self.sessions}
            )
        return number


@dataclass(frozen=True, kw_only=True)
class Review:
    """``act`` is called with the reason. ``kept`` goes through the form unseen (the selection of
    a list action); ``objects`` are written into the history, each. ``batched`` says that ``act``
    commits as it goes, ``long`` that a job does it instead where many sessions end."""

    title: str
    selection: Selection
    act: Callable[[str], Revocation]
    back: str
    objects: list[Any] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    batched: bool = False
    long: bool = False


def review(request: HttpRequest, *, model_admin: Any, what: Review) -> HttpResponse:
    """Show the review, or act on it. Raises PermissionDenied without ``revoke_token``."""
    if not model_admin.has_revoke_permission(request):
        raise PermissionDenied
    expected = preview(selection=what.selection)
    confirmed = request.method == "POST" and "confirm" in request.POST
    form = ReasonForm(request.POST if confirmed else None, sessions=expected.sessions)
    if confirmed and form.is_valid():
        reason = form.cleaned_data["reason"]
        if what.long and expected.sessions > LONG:
            return begin(request, model_admin, what.selection, expected, reason)
        # Batches commit one by one; anything else happens with its line in the history or not.
        with nullcontext() if what.batched else transaction.atomic():
            ended = what.act(reason)
            if ended:
                write_history(request, model=model_admin.model, objects=what.objects, reason=reason)
        messages.success(request, said(ended))
        return HttpResponseRedirect(what.back)
    return _page(request, model_admin, what, expected, form)


def _page(
    request: HttpRequest, model_admin: Any, what: Review, expected: Preview, form: ReasonForm
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "title": what.title,
        "opts": model_admin.model._meta,
        "media": model_admin.media,
        "preview": expected,
        "ends": ends(expected),
        "form": form,
        "what": what,
    }
    return TemplateResponse(request, "admin/tokens/review.html", context)


def begin(
    request: HttpRequest, model_admin: Any, selection: Selection, expected: Preview, reason: str
) -> HttpResponse:
    """Decide what takes longer than a request; the staff pages show it being worked off."""
    with transaction.atomic():
        job = start_job(selection=selection, found=expected, actor=request.user, reason=reason)
        write_history(request, model=model_admin.model, objects=[], reason=reason)
    if address := staff_page("revoke-job", job.pk):
        return HttpResponseRedirect(address)
    words = _("It is decided; the command “revoke_tokens --resume” ends them one after the other.")
    messages.success(request, words)
    meta = model_admin.opts
    return HttpResponseRedirect(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))


def ends(expected: Preview) -> str:
    """What would end, in words."""
    amounts = _amounts(expected.sessions, expected.tokens, expected.users)
    if expected.more:
        return _("This ends more than %(sessions)s.") % amounts
    return _("This ends %(sessions)s and %(tokens)s of %(users)s.") % amounts


def said(ended: Revocation) -> str:
    if not ended:
        return _("There was nothing left to end.")
    amounts = _amounts(ended.sessions, ended.tokens, ended.users)
    return _("Ended %(sessions)s and %(tokens)s of %(users)s.") % amounts


def _amounts(sessions: int, tokens: int, users: int) -> dict[str, str]:
    return {
        "sessions": ngettext("%(n)s session", "%(n)s sessions", sessions) % {"n": f"{sessions:,}"},
        "tokens": ngettext("%(n)s token", "%(n)s tokens", tokens) % {"n": f"{tokens:,}"},
        "users": ngettext("%(n)s user", "%(n)s users", users) % {"n": f"{users:,}"},
    }


def content_type_of(model: type[Model]) -> ContentType:
    """Asked of the database: a long-lived process may remember one that was made anew since."""
    meta = model._meta
    return ContentType.objects.get(app_label=meta.app_label, model=meta.model_name)


def write_history(
    request: HttpRequest, *, model: type[Model], objects: list[Any], reason: str
) -> None:
    """One line for each object in the admin's history, or one for a whole selection."""
    message = _("Revoked: %(reason)s") % {"reason": reason}
    kinds = {type(obj) if obj is not None else model for obj in (objects or [None])}
    types = {kind: content_type_of(kind) for kind in kinds}
    entries = [
        LogEntry(
            user_id=cast(int, request.user.pk),
            content_type=types[type(obj) if obj is not None else model],
            object_id=str(obj.pk) if obj is not None else None,
            object_repr=str(obj)[:200] if obj is not None else _("all that matched"),
            action_flag=CHANGE,
            change_message=message,
        )
        for obj in (objects or [None])
    ]
    LogEntry.objects.bulk_create(entries)
