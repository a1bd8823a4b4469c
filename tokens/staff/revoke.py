"""The review before a revocation, and the act.

What is to end stands in the address: ``token``, ``session`` and ``user`` (each any number of
times), or a list's filters with ``matching``, or ``everybody`` with ``before``.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import is_naive, make_aware
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from tokens import revocation
from tokens.http import wants_fragment
from tokens.models import Session
from tokens.revocation import Revocation, Selection
from tokens.selectors.matching import match
from tokens.selectors.status import Status
from tokens.selectors.tokens import outstanding_tokens
from tokens.staff.filters import Filters
from tokens.staff.guards import CUT_OFF, REVOKE, denied, staff_may

TYPED_ABOVE = 25
REASONS = (
    ("lost device", gettext_lazy("lost device")),
    ("left the company", gettext_lazy("left the company")),
    ("suspected theft", gettext_lazy("suspected theft")),
    ("asked by the user", gettext_lazy("asked by the user")),
    ("other", gettext_lazy("other")),
)


class RevokeForm(forms.Form):
    """``expected`` is what has to be typed, where that is asked."""

    reason = forms.ChoiceField(
        choices=REASONS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose a reason.")},
    )
    detail = forms.CharField(required=False, max_length=400)
    typed = forms.CharField(required=False, max_length=20)

    def __init__(self, *args: Any, expected: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected if expected > TYPED_ABOVE else None

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
    selection = selection_of(request.GET)
    if selection.everybody and not request.user.has_perm(CUT_OFF):
        denied(request, CUT_OFF)
    found = revocation.preview(selection=selection)
    form = RevokeForm(request.POST or None, expected=found.sessions)
    if request.method == "POST" and form.is_valid():
        ended = _end(selection, actor=request.user, reason=form.why)
        messages.success(request, _said(ended))
        return redirect(_back(request))
    context = {"found": found, "form": form, "selection": selection, "back": _back(request)}
    name = "staff/_revoke.html" if wants_fragment(request) else "staff/revoke.html"
    return render(request, name, context, status=422 if request.method == "POST" else 200)


def selection_of(query: QueryDict) -> Selection:
    """What the address asks to end; 404 where it names nothing that can be."""
    if query.get("everybody"):
        before = _instant(query.get("before", ""))
        if before is None:
            raise Http404
        return Selection(everybody=True, issued_before=before)
    if query.get("matching"):
        return _matching(query)
    try:
        return Selection(
            jtis=tuple(query.getlist("token")[:1000]),
            sessions=tuple(UUID(text) for text in query.getlist("session")[:1000]),
            users=tuple(
                get_user_model()._meta.pk.to_python(text) for text in query.getlist("user")[:1000]
            ),
        )
    except (ValueError, forms.ValidationError) as error:
        raise Http404 from error


def _matching(query: QueryDict) -> Selection:
    """A list's filters as a selection: of tokens and sessions alike, what is live."""
    filters = Filters(query)
    if not filters.is_valid():
        raise Http404
    asked = filters.asked()
    if asked.get("status", Status.ACTIVE) != Status.ACTIVE:
        # A list of what has ended must not end what it does not show.
        return Selection()
    found = match(asked.get("q", ""))
    jtis: tuple[str, ...] = ()
    if asked.get("q") and not (found.users or found.sid or found.ip):
        page = outstanding_tokens(q=asked["q"]).page(size=1000)
        jtis = tuple(token.jti for token in page.rows) or ("",)
    return Selection(
        jtis=jtis,
        sessions=(found.sid,) if found.sid else (),
        users=(asked["user"],) if "user" in asked else tuple(found.users),
        ip=asked.get("ip") or found.ip,
        client=asked.get("client", ""),
        user_agent=asked.get("device", ""),
        issued_after=asked.get("issued_after"),
        issued_before=asked.get("issued_before"),
    )


def _end(selection: Selection, *, actor: Any, reason: str) -> Revocation:
    """The narrowest act that does it, so that the trail says what was meant."""
    one = (len(selection.jtis), len(selection.sessions), len(selection.users))
    plain = not (selection.ip or selection.client or selection.user_agent) and not (
        selection.issued_after or selection.issued_before
    )
    if selection.everybody and selection.issued_before is not None:
        return revocation.cut_off(not_before=selection.issued_before, actor=actor, reason=reason)
    if plain and one == (1, 0, 0):
        return revocation.revoke_token(jti=selection.jtis[0], actor=actor, reason=reason)
    if plain and one == (0, 1, 0):
        session = Session.objects.filter(pk=selection.sessions[0]).first()
        if session is None:
            return Revocation()
        return revocation.revoke_session(session=session, actor=actor, reason=reason)
    if plain and one == (0, 0, 1):
        user = get_user_model()._default_manager.filter(pk=selection.users[0]).first()
        if user is None:
            return Revocation()
        return revocation.revoke_user(user=user, actor=actor, reason=reason)
    return revocation.revoke_matching(selection=selection, actor=actor, reason=reason)


def _said(ended: Revocation) -> str:
    if not ended:
        return _("There was nothing left to end: all of it had ended before.")
    sessions = ngettext("%(n)s session", "%(n)s sessions", ended.sessions) % {"n": ended.sessions}
    people = ngettext("%(n)s person", "%(n)s people", ended.users) % {"n": ended.users}
    return _("Revoked %(sessions)s of %(people)s. Their tokens are refused from now on.") % {
        "sessions": sessions,
        "people": people,
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


def _instant(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return make_aware(at) if at is not None and is_naive(at) else at
