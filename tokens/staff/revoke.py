"""Review a revocation, and carry it out.

The query string says what is revoked: ``token``, ``session`` and ``user`` (each any number of
times), or the filters of a list with ``matching=tokens`` or ``matching=sessions``, or
``everybody`` with ``before``, which may be ``now``. A form with more tokens or sessions than an
address can hold has a field ``listed`` with such a query string instead.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from tokens import revocation
from tokens.db import clock
from tokens.listing.query import user_names
from tokens.listing.search import is_storable, user_key
from tokens.models import Session
from tokens.models.reasons import OFFERED
from tokens.origin import Actor
from tokens.permissions import CUT_OFF, REVOKE
from tokens.revocation import Preview, Revocation, Selection
from tokens.revocation.reviews import LONG, TYPED_ABOVE
from tokens.staff.filters import SessionForm, TokenForm
from tokens.staff.guards import denied, htmx_of, staff_may, wants_fragment
from tokens.validation.legacy import transition_over
from tokens.web.pages import visible
from tokens.web.proof import ProofForm, proof_needed

# The address names at most this many rows.
MOST = 1000
NAMED = 3
REMEMBERED, REASONS_KEPT = "tokens_reasons", 5
OTHER = "other"
NOW = "now"
# Holds the reason of a form that was sent after the browser session had expired.
UNSENT = "unsent"
REASONS = (*((reason.value, reason.label) for reason in OFFERED), (OTHER, gettext_lazy("other")))


class RevokeForm(forms.Form):
    """The reason.

    The number of sessions, ``expected``, has to be typed if there are many or if they are
    everybody's, unless it is 0.
    """

    reason = forms.ChoiceField(
        choices=REASONS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose a reason.")},
    )
    detail = forms.CharField(required=False, max_length=400)
    typed = forms.CharField(required=False, max_length=20)

    def __init__(
        self,
        data: QueryDict | None,
        *,
        initial: dict[str, str | None],
        expected: int,
        everybody: bool,
    ) -> None:
        super().__init__(data, initial=initial)
        needed = expected > TYPED_ABOVE or (everybody and expected > 0)
        self.expected = expected if needed else None

    def clean(self) -> None:
        cleaned = self.cleaned_data
        if cleaned.get("reason") == OTHER and cleaned.get("detail") == "":
            self.add_error("detail", _("Describe the reason in a few words."))
        if self.expected is not None and cleaned.get("typed") != str(self.expected):
            self.add_error("typed", _("Type the number of sessions: %s") % self.expected)

    @property
    def why(self) -> str:
        """Return the reason as the trail keeps it."""
        reason, detail = self.cleaned_data["reason"], self.cleaned_data["detail"]
        return detail if reason == OTHER else f"{reason}: {detail}" if detail else reason


def _review_again(request: HttpRequest) -> str:
    """Return the address of the review of a form that was sent without a login.

    It names no ``listed`` rows, which an address can't hold, and no words that were typed.
    """
    query = request.GET.copy()
    query["next"] = _back(request)
    query[UNSENT] = request.POST.get("reason", "")
    return f"{request.path}?{query.urlencode()}"


@require_http_methods(["GET", "POST"])
@staff_may(REVOKE, after_login=_review_again)
def revoke(request: HttpRequest) -> HttpResponse:
    """Show what would be revoked, and revoke it after a reason is given."""
    if request.GET.get("everybody"):
        if not request.user.has_perm(CUT_OFF):
            denied(request, CUT_OFF)
        if read_instant(request.GET.get("before", "")) is None:
            return _ask_for_instant(request)
    selection, found = _selected(request)
    form = RevokeForm(
        request.POST if _is_confirmed(request) else None,
        initial={"reason": request.GET.get(UNSENT)},
        expected=found.sessions,
        everybody=selection.everything,
    )
    proof = None
    if revocation.needs_proof(actor=request.user, selection=selection, found=found):
        proof = proof_needed(request, sent=_is_confirmed(request))
    if form.is_valid() and proof is None:
        _remember(request, form.cleaned_data["detail"])
        if revocation.needs_approval(actor=request.user, selection=selection, found=found):
            return _propose(request, selection, found, form.why)
        return _act(request, selection, found, form.why)
    return _review(request, selection, found, form, proof)


def _propose(
    request: HttpRequest, selection: Selection, found: Preview, reason: str
) -> HttpResponse:
    proposal = revocation.propose(
        selection=selection, found=found, actor=request.user, reason=reason
    )
    messages.success(request, _("Proposed. Nothing is revoked until another person approves it."))
    address = resolve_url("tokens_staff:proposal", proposal.pk)
    return HttpResponseClientRedirect(address) if wants_fragment(request) else redirect(address)


def _query(request: HttpRequest) -> QueryDict:
    """Return the query that says what is revoked."""
    listed = request.POST.get("listed")
    if listed is None:
        return request.GET
    given, query = QueryDict(listed), QueryDict(mutable=True)
    for name in ("session", "token"):
        query.setlist(name, given.getlist(name))
    return query


def _is_confirmed(request: HttpRequest) -> bool:
    """Return whether the request is the form of the review, not one that asks for the review."""
    return request.method == "POST" and ("listed" not in request.POST or "detail" in request.POST)


def _ask_for_instant(request: HttpRequest) -> HttpResponse:
    return _page(request, "before", {"now": _next_second(), "back": _back(request)})


def _next_second() -> datetime:
    """Return the end of this second: a form holds whole ones, and misses no session of this."""
    return timezone.localtime(clock.now()).replace(microsecond=0) + timedelta(seconds=1)


def _selected(request: HttpRequest) -> tuple[Selection, Preview]:
    """Return what the address selects, without what the user may not revoke, and its preview.

    Raises PermissionDenied, which is recorded, if the user may not revoke this selection.
    """
    selection = revocation.within_authority(
        actor=request.user, selection=read_selection(_query(request))
    )
    found = revocation.preview(selection=selection)
    missing = revocation.missing_permission(actor=request.user, selection=selection, found=found)
    if missing:
        denied(request, missing)
    return selection, found


def _review(
    request: HttpRequest,
    selection: Selection,
    found: Preview,
    form: RevokeForm,
    proof: ProofForm | None,
) -> HttpResponse:
    found = revocation.review(selection=selection, actor=request.user, found=found)
    named = revocation.may_see_rows(request.user)
    users = _names(selection, found) if named else ""
    ahead = selection.everybody and _is_ahead(request)
    proposes = revocation.needs_approval(actor=request.user, selection=selection, found=found)
    browsers = _browsers_in_words(selection, users, ahead) if found.browsers else ""
    if browsers and not proposes and _reaches_own_browser(request, selection):
        browsers += f" {_('The one you are using stays.')}"
    context = {
        "found": found,
        "named": named,
        "users": users,
        "ahead": ahead,
        "browsers": browsers,
        "long": _takes_long(selection, found),
        "form": form,
        "proof": proof,
        "proposes": proposes,
        "address": _address(request, selection),
        "selection": selection,
        "listed": request.POST.get("listed"),
        "unsent": UNSENT in request.GET and not form.is_bound,
        "back": _back(request),
        "remembered": request.session.get(REMEMBERED, []),
    }
    return _page(request, "revoke", context)


def _address(request: HttpRequest, selection: Selection) -> str:
    """Return the query string that selects the same rows at the act as at the review."""
    if selection.matching is None:
        query = request.GET.copy()
        for name in ("next", UNSENT):
            query.pop(name, None)
        if selection.everybody and query.get("before") == NOW and selection.issued_before:
            query["before"] = selection.issued_before.isoformat()
        return query.urlencode()
    filters = {name: str(value) for name, value in selection.matching.as_json().items()}
    return urlencode({"matching": request.GET["matching"], **filters})


def _names(selection: Selection, found: Preview) -> str:
    """Return the names of the users that are selected whole, or "" without any."""
    if not selection.whole_users or not selection.users:
        return ""
    sampled = {str(session.user_id): session.username for session in found.sample}
    known = all(str(key) in sampled for key in selection.users)
    return user_names(selection.users, names=sampled if known else None)


def _is_ahead(request: HttpRequest) -> bool:
    """Return whether the chosen instant is in the future, so that the time of the act is used.

    The default is up to one second ahead.
    """
    before = read_instant(request.GET.get("before", ""))
    return before is not None and before > clock.now() + timedelta(seconds=1)


def _reaches_own_browser(request: HttpRequest, selection: Selection) -> bool:
    return selection.everybody or request.user.pk in selection.users


def _browsers_in_words(selection: Selection, users: str, ahead: bool) -> str:
    """Describe which browser sessions end. They aren't counted, so there may be none."""
    before = selection.issued_before
    if users:
        return _("This ends any browser sessions of %s.") % users
    if before is not None and not ahead:
        at = date_format(timezone.localtime(before), "Y-m-d H:i:s T")
        return _("This ends any browser sessions opened before %s.") % at
    return _("This ends any browser sessions.")


def read_selection(query: QueryDict) -> Selection:
    """Read what the address selects. Raises Http404 for a key that can't exist."""
    if query.get("everybody"):
        before = read_instant(query.get("before", ""))
        if before is None:
            raise Http404
        return Selection(everybody=True, issued_before=revocation.cutoff_instant(wanted=before))
    if of := query.get("matching"):
        form = TokenForm(query) if of == "tokens" else SessionForm(query)
        return Selection(matching=form.query)
    try:
        sessions = tuple(UUID(text) for text in query.getlist("session")[:MOST])
    except ValueError as error:
        raise Http404 from error
    users = tuple(user_key(text) for text in query.getlist("user")[:MOST])
    named = tuple(key for key in users if key is not None)
    jtis = tuple(query.getlist("token")[:MOST])
    if len(named) < len(users) or any("\0" in jti for jti in jtis):
        raise Http404
    return Selection(jtis=jtis, sessions=sessions, users=named)


def read_instant(text: str) -> datetime | None:
    """Read an instant, in the viewer's time zone if it names none. `NOW` is the present one."""
    if text == NOW:
        return _next_second()
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    if at is None or not is_storable(at):
        return None
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _page(request: HttpRequest, name: str, context: dict[str, object]) -> HttpResponse:
    name = f"_{name}" if wants_fragment(request) else name
    status = 422 if _is_confirmed(request) else 200
    return render(request, f"tokens/staff/{name}.html", context, status=status)


def _act(request: HttpRequest, selection: Selection, found: Preview, reason: str) -> HttpResponse:
    """End the selection, or start a job if that takes long.

    The browser stays where it is, and the page refreshes its rows. From the review's own page it
    goes back to where the person came from.
    """
    if _takes_long(selection, found):
        job = revocation.start_job(
            selection=selection, found=found, actor=request.user, reason=reason
        )
        address = resolve_url("tokens_staff:revoke-job", job.pk)
        return HttpResponseClientRedirect(address) if wants_fragment(request) else redirect(address)
    ended = Revocation()
    if not _ended_before(selection, found):
        ended = _end(selection, actor=request.user, reason=reason)
    if revocation.may_see_rows(request.user):
        summary = visible(_summary(ended, found, _names(selection, found)))
    else:
        summary = visible(_summary(ended, replace(found, sample=()), ""))
    if ended and _is_bulk(selection):
        summary += _reach_in_words(found)
    if wants_fragment(request) and not _on_own_page(request):
        return trigger_client_event(
            HttpResponse(status=204), "portal:revoked", {"message": summary}
        )
    messages.success(request, summary)
    back = _back(request)
    return HttpResponseClientRedirect(back) if wants_fragment(request) else redirect(back)


def _on_own_page(request: HttpRequest) -> bool:
    """Return whether htmx sent the form from the review's own page, not from a dialog."""
    htmx = htmx_of(request)
    return htmx is not None and (htmx.current_url_abs_path or "").split("?")[0] == request.path


def _ended_before(selection: Selection, found: Preview) -> bool:
    """Return whether a cutoff for everybody would end nothing, as when its form is sent again.

    During the transition it may end legacy tokens, which the review can't count.
    """
    return selection.everybody and not found and transition_over()


def _takes_long(selection: Selection, found: Preview) -> bool:
    return found.tokens > LONG and not _one_user(selection)


def _remember(request: HttpRequest, words: str) -> None:
    """Keep the last reasons to offer them again: an incident has one reason and many sessions."""
    if words:
        before = [other for other in request.session.get(REMEMBERED, []) if other != words]
        request.session[REMEMBERED] = [words, *before][:REASONS_KEPT]


def _is_bulk(selection: Selection) -> bool:
    """Return whether the act is upon many, so that no page of a session or user shows its reach."""
    return selection.narrowed or selection.everybody or selection.named > 1


def _one_user(selection: Selection) -> bool:
    """Return whether all of one user ends: a cutoff does that, with two statements."""
    others = (selection.jtis, selection.sessions, selection.narrowed, selection.everybody)
    return len(selection.users) == 1 and not any(others)


def _end(selection: Selection, *, actor: Actor, reason: str) -> Revocation:
    """End the selection with the narrowest act, so that the trail says what was meant."""
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
        user = get_user_model()._default_manager.filter(Q(pk=selection.users[0])).first()
        if user is None:
            return Revocation()
        return revocation.revoke_user(user=user, actor=actor, reason=reason)
    return revocation.revoke_matching(selection=selection, actor=actor, reason=reason)


def _summary(ended: Revocation, found: Preview, users: str) -> str:
    """Describe what ended, and of which users. ``users`` are the names of those selected whole."""
    if not ended:
        return _("Nothing was revoked: all of this had ended before.")
    if not ended.sessions and not ended.tokens:
        return (
            _("Revoked the browser sessions of %s.") % users
            if users
            else _("Revoked the browser sessions.")
        )
    if ended.sessions:
        what = ngettext("%(n)s session", "%(n)s sessions", ended.sessions) % {"n": ended.sessions}
    else:
        what = ngettext("%(n)s token", "%(n)s tokens", ended.tokens) % {"n": ended.tokens}
    people = ngettext("%(n)s person", "%(n)s people", ended.users) % {"n": ended.users}
    names = sorted({session.username for session in found.sample})
    if 0 < ended.users == len(names) <= NAMED:
        people = f"{people} ({', '.join(names)})"
    return _("Revoked %(what)s of %(users)s. Their tokens are refused from now on.") % {
        "what": what,
        "users": people,
    }


def _reach_in_words(found: Preview) -> str:
    """Say until when the tokens may be accepted elsewhere, "" if they aren't."""
    if found.last_access is None:
        return ""
    until = date_format(timezone.localtime(found.last_access), "H:i:s T")
    words = _("Other services may accept them until %s; the overview says which have confirmed.")
    return f" {words % until}"


def _back(request: HttpRequest) -> str:
    """Return the page that the person came from, if it is on this site."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    if not asked and (htmx := htmx_of(request)) and not _on_own_page(request):
        asked = htmx.current_url_abs_path or ""
    if asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None):
        return asked
    return resolve_url("tokens_staff:tokens")
