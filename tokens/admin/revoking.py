"""Review a revocation in the admin: show what would be revoked and ask for the reason.

The revocation adds a line to the admin's history.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tokens.admin.base import AnyAdmin
from tokens.jwt.redaction import redact_text
from tokens.models.lengths import REASON_LENGTH
from tokens.models.reasons import OFFERED
from tokens.revocation import (
    Preview,
    Revocation,
    Selection,
    missing_permission,
    needs_approval,
    needs_proof,
    preview,
    propose,
    start_job,
    within_authority,
)
from tokens.revocation import review as record_review
from tokens.revocation.reviews import LONG, TYPED_ABOVE
from tokens.web.login import address_of
from tokens.web.proof import proof_needed


class ReasonForm(forms.Form):
    """The reason. With many ``sessions``, their number has to be typed."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=REASON_LENGTH, strip=True)
    number = forms.CharField(label=gettext_lazy("Number of sessions, to confirm"), required=False)

    def __init__(self, data: QueryDict | None, *, sessions: int) -> None:
        super().__init__(data)
        self.sessions = sessions
        self.fields["reason"].widget.attrs |= {
            "class": "vTextField",
            "autocomplete": "off",
            "list": "reasons",
        }
        if sessions <= TYPED_ABOVE:
            del self.fields["number"]

    def clean_reason(self) -> str:
        """Redact tokens."""
        return redact_text(str(self.cleaned_data["reason"]))

    def clean_number(self) -> str:
        """Compare the number with that of the sessions."""
        number = str(self.cleaned_data["number"]).strip().replace(",", "")
        if number != str(self.sessions):
            raise forms.ValidationError(
                _("Type %(number)s to confirm."), params={"number": self.sessions}
            )
        return number


@dataclass(frozen=True, kw_only=True)
class Review:
    """Describe one review.

    ``act`` is called with the reason. ``kept`` are hidden fields of the form (the selection of a
    list action). Each of ``objects`` gets a line in the history. ``batched`` says that ``act``
    commits in batches, ``long`` that a job replaces it if many sessions would be revoked.
    """

    title: str
    selection: Selection
    act: Callable[[str], Revocation]
    back: str
    objects: Sequence[Model] = ()
    kept: list[tuple[str, str]] = field(default_factory=list)
    batched: bool = False
    long: bool = False


def review(request: HttpRequest, *, model_admin: AnyAdmin, what: Review) -> HttpResponse:
    """Show the review, or act on it.

    Raises PermissionDenied without the permissions for it (`tokens.revocation.reviews`).
    """
    if not model_admin.has_revoke_permission(request):
        raise PermissionDenied
    selection = within_authority(actor=request.user, selection=what.selection)
    expected = preview(selection=selection)
    if missing_permission(actor=request.user, selection=selection, found=expected):
        raise PermissionDenied
    confirmed = request.method == "POST" and "confirm" in request.POST
    form = ReasonForm(request.POST if confirmed else None, sessions=expected.sessions)
    proof = None
    if needs_proof(actor=request.user, selection=selection, found=expected):
        proof = proof_needed(request, sent=confirmed)
    if confirmed and form.is_valid() and proof is None:
        reason = form.cleaned_data["reason"]
        if needs_approval(actor=request.user, selection=selection, found=expected):
            return propose_instead(request, model_admin, selection, expected, reason)
        if what.long and expected.tokens > LONG:
            return begin(request, model_admin, selection, expected, reason)
        # Batches commit one by one. Any other act commits together with its history.
        with nullcontext() if what.batched else transaction.atomic():
            ended = what.act(reason)
            if ended:
                write_history(request, model=model_admin.model, objects=what.objects, reason=reason)
        messages.success(request, describe_ended(ended))
        return HttpResponseRedirect(what.back)
    expected = record_review(selection=selection, actor=request.user, found=expected)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": what.title,
        "opts": model_admin.model._meta,
        "media": model_admin.media,
        "preview": expected,
        "ends": describe_end(expected),
        "form": form,
        "proof": proof,
        "proposes": needs_approval(actor=request.user, selection=selection, found=expected),
        "what": what,
        "reasons": OFFERED,
    }
    return TemplateResponse(request, "admin/tokens/review.html", context)


def begin(
    request: HttpRequest,
    model_admin: AnyAdmin,
    selection: Selection,
    expected: Preview,
    reason: str,
) -> HttpResponse:
    """Start a job, whose progress the staff pages show."""
    with transaction.atomic():
        job = start_job(selection=selection, found=expected, actor=request.user, reason=reason)
        write_history(request, model=model_admin.model, objects=(), reason=reason)
    if address := address_of("tokens_staff:revoke-job", job.pk):
        return HttpResponseRedirect(address)
    words = _("Started. Run “revoke_tokens --resume” to revoke the sessions.")
    messages.success(request, words)
    return HttpResponseRedirect(_list_of(model_admin))


def propose_instead(
    request: HttpRequest,
    model_admin: AnyAdmin,
    selection: Selection,
    expected: Preview,
    reason: str,
) -> HttpResponse:
    """Propose the act to another person, who decides on the staff pages."""
    proposal = propose(selection=selection, found=expected, actor=request.user, reason=reason)
    messages.success(request, _("Proposed. Nothing is revoked until another person approves it."))
    address = address_of("tokens_staff:proposal", proposal.pk)
    return HttpResponseRedirect(address or _list_of(model_admin))


def _list_of(model_admin: AnyAdmin) -> str:
    meta = model_admin.opts
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def describe_end(expected: Preview) -> str:
    """Describe what would be revoked."""
    amounts = _amounts(expected.sessions, expected.tokens, expected.users)
    if expected.more:
        return _("This revokes more than %(sessions)s.") % amounts
    return _("This revokes %(sessions)s and %(tokens)s of %(users)s.") % amounts


def describe_ended(ended: Revocation) -> str:
    """Describe what was revoked."""
    if not ended:
        return _("Nothing was revoked: all of this had ended before.")
    if not ended.sessions and not ended.tokens:
        return _("Revoked the browser sessions.")
    amounts = _amounts(ended.sessions, ended.tokens, ended.users)
    return _("Revoked %(sessions)s and %(tokens)s of %(users)s.") % amounts


def _amounts(sessions: int, tokens: int, users: int) -> dict[str, str]:
    return {
        "sessions": ngettext("%(n)s session", "%(n)s sessions", sessions) % {"n": f"{sessions:,}"},
        "tokens": ngettext("%(n)s token", "%(n)s tokens", tokens) % {"n": f"{tokens:,}"},
        "users": ngettext("%(n)s user", "%(n)s users", users) % {"n": f"{users:,}"},
    }


def write_history(
    request: HttpRequest, *, model: type[Model], objects: Sequence[Model], reason: str
) -> None:
    """Write one line for each object into the admin's history, or one for a whole selection."""
    # A process that outlives a rebuilt database would remember an old content type's key.
    ContentType.objects.clear_cache()
    user = cast(int, request.user.pk)
    message = _("Revoked: %(reason)s") % {"reason": reason}
    if objects:
        LogEntry.objects.log_actions(user, objects, CHANGE, message)
        return
    LogEntry.objects.create(
        user_id=user,
        content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
        object_repr=_("all that matched"),
        action_flag=CHANGE,
        change_message=message,
    )
