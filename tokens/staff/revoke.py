"""The review before a revocation, and the act. `tokens.staff.selecting` reads from the address
what is to end."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from tokens import revocation
from tokens.http import wants_fragment
from tokens.models import Session
from tokens.revocation import Preview, Revocation, Selection
from tokens.staff.guards import CUT_OFF, REVOKE, denied, staff_may
from tokens.staff.selecting import instant, selection_of

# More than this many sessions are worked off by a job, and not while somebody waits.
LONG = 1000
NAMED = 3
REMEMBERED, REASONS_KEPT = "reasons", 5
TYPED_ABOVE = 25
REASONS = (
    ("lost device", gettext_lazy("lost device")),
    ("left the company", gettext_lazy("left the company")),
    ("suspected theft", gettext_lazy("suspected theft")),
    ("asked by the user", gettext_lazy("asked by the user")),
    ("other", gettext_lazy("other")),
)


class RevokeForm(forms.Form):
    """``expected`` is the number of sessions; it has to be typed where there are many, or where
    they are everybody's."""

    reason = forms.ChoiceField(
        choices=REASONS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose a reason.")},
    )
    detail = forms.CharField(required=False, max_length=400)
    typed = forms.CharField(required=False, max_length=20)

    def __init__(self, *args: Any, expected: int, everybody: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected if everybody or expected > TYPED_ABOVE else None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("reason") == "other" and not cleaned.get("detail", "").strip():
            self.add_error("detail", _("Say in a few words why."))
        if self.expected is not None and cleaned.get("typed", "").strip() != str(self.expected):
            self.add_error("typed", _("Type the number of sessions: %s") % self.expected)
        return cleaned

    @property
    def why(self) -> str:
        reason, detail = self.cleaned_data["reason"], self.cleaned_data["detail"].strip()
        return detail if reason == "other" else f"{reason}: {detail}" if detail else reason


@require_http_methods(["GET", "HEAD", "POST"])
@staff_may(REVOKE)
def revoke(request: HttpRequest) -> HttpResponse:
    everybody = bool(request.GET.get("everybody"))
    if everybody and not request.user.has_perm(CUT_OFF):
        denied(request, CUT_OFF)
    if everybody and instant(request.GET.get("before", "")) is None:
        return _page(request, "before", {"now": timezone.localtime(), "back": _back(request)})
    selection = selection_of(request.GET)
    found = revocation.preview(selection=selection)
    posted = request.POST if request.method == "POST" else None
    form = RevokeForm(posted, expected=found.sessions, everybody=everybody)
    if request.method == "POST" and form.is_valid():
        _remember(request, form.cleaned_data["detail"].strip())
        return _act(request, selection, found, form.why)
    context = {
        "found": found,
        "long": _takes_long(selection, found),
        "form": form,
        "selection": selection,
        "back": _back(request),
        "remembered": request.session.get(REMEMBERED, []),
    }
    return _page(request, "revoke", context)


def _page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    name = f"_{name}" if wants_fragment(request) else name
    status = 422 if request.method == "POST" else 200
    return render(request, f"staff/{name}.html", context, status=status)


def _act(request: HttpRequest, selection: Selection, found: Preview, reason: str) -> HttpResponse:
    """Do it, or begin it where it takes long; the rows change where the person is."""
    if _takes_long(selection, found):
        job = revocation.start_job(
            selection=selection, found=found, actor=request.user, reason=reason
        )
        address = resolve_url("staff:revoke-job", job.pk)
        return HttpResponseClientRedirect(address) if wants_fragment(request) else redirect(address)
    ended = _end(selection, actor=request.user, reason=reason)
    said = _said(ended, found)
    if wants_fragment(request):
        return trigger_client_event(HttpResponse(status=204), "portal:revoked", {"said": said})
    messages.success(request, said)
    return redirect(_back(request))


def _takes_long(selection: Selection, found: Preview) -> bool:
    return found.sessions > LONG and not _one_user(selection)


def _remember(request: HttpRequest, words: str) -> None:
    """The person's own last words, offered again: an incident has one reason and many sessions."""
    if words:
        before = [said for said in request.session.get(REMEMBERED, []) if said != words]
        request.session[REMEMBERED] = [words, *before][:REASONS_KEPT]


def _one_user(selection: Selection) -> bool:
    """All of one person is one act, with a cut-off behind it, and takes two statements."""
    others = (selection.jtis, selection.sessions, selection.narrowed, selection.everybody)
    return len(selection.users) == 1 and not any(others)


def _end(selection: Selection, *, actor: Any, reason: str) -> Revocation:
    """The narrowest act that does it, so that the trail says what was meant."""
    named = (len(selection.jtis), len(selection.sessions), len(selection.users))
    if selection.everybody and selection.issued_before is not None:
        return revocation.cut_off(not_before=selection.issued_before, actor=actor, reason=reason)
    if not selection.narrowed and named == (1, 0, 0):
        return revocation.revoke_token(jti=selection.jtis[0], actor=actor, reason=reason)
    if not selection.narrowed and named == (0, 1, 0):
        session = Session.objects.filter(pk=selection.sessions[0]).first()
        if session is None:
            return Revocation()
        return revocation.revoke_session(session=session, actor=actor, reason=reason)
    if _one_user(selection):
        user = get_user_model()._default_manager.filter(pk=selection.users[0]).first()
        if user is None:
            return Revocation()
        return revocation.revoke_user(user=user, actor=actor, reason=reason)
    return revocation.revoke_matching(selection=selection, actor=actor, reason=reason)


def _said(ended: Revocation, found: Preview) -> str:
    """What happened, to whom and how many."""
    if not ended:
        return _("There was nothing left to end: all of it had ended before.")
    if ended.sessions:
        what = ngettext("%(n)s session", "%(n)s sessions", ended.sessions) % {"n": ended.sessions}
    else:
        what = ngettext("%(n)s token", "%(n)s tokens", ended.tokens) % {"n": ended.tokens}
    whom = ngettext("%(n)s person", "%(n)s people", ended.users) % {"n": ended.users}
    names = sorted({session.username for session in found.sample})
    if 0 < ended.users == len(names) <= NAMED:
        whom = f"{whom} ({', '.join(names)})"
    return _("Revoked %(what)s of %(whom)s. Their tokens are refused from now on.") % {
        "what": what,
        "whom": whom,
    }


def _back(request: HttpRequest) -> str:
    """The page the person came from, where that is one of ours."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    htmx: Any = getattr(request, "htmx", None)
    if not asked and htmx:
        asked = htmx.current_url_abs_path or ""
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return "/staff/tokens/"
