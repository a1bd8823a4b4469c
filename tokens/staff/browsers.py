"""Review the revocation of one browser session, and carry it out."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from tokens import audit
from tokens.listing.browsers import browser_sessions, has_had
from tokens.listing.users import account_with_key
from tokens.models import Kind
from tokens.permissions import REVOKE, REVOKE_SUPERUSER, VIEW_TOKENS
from tokens.revocation import (
    Preview,
    Selection,
    may_revoke,
    needs_proof,
    revoke_browser_session,
)
from tokens.staff.guards import denied, staff_may, wants_fragment
from tokens.staff.revoke import REMEMBERED, RevokeForm
from tokens.web.pages import visible
from tokens.web.proof import proof_needed


@require_http_methods(["GET", "POST"])
@staff_may(VIEW_TOKENS, REVOKE)
def revoke(request: HttpRequest, pk: str, browser: uuid.UUID) -> HttpResponse:
    """Show the browser session, and end it after a reason is given."""
    person = account_with_key(pk)
    if person is None or not has_had(user=person, pk=browser):
        raise Http404
    if not may_revoke(actor=request.user, user=person):
        denied(request, REVOKE_SUPERUSER)
    found = browser_sessions(user=person, pk=browser)
    form = RevokeForm(
        request.POST if request.method == "POST" else None, initial={}, expected=0, everybody=False
    )
    # One browser session reaches no further than its user.
    whole = Selection(users=(person.pk,))
    nothing = Preview(tokens=0, sessions=0, users=0, last_used_at=None, sample=())
    proof = None
    if found and needs_proof(actor=request.user, selection=whole, found=nothing):
        proof = proof_needed(request, sent=form.is_bound)
    if found and not (form.is_valid() and proof is None):
        data = {"browser": str(browser)}
        audit.record(kind=Kind.CLAIMS_VIEWED, actor=request.user, subject=person, data=data)
        name = "_revoke_browser" if wants_fragment(request) else "revoke_browser"
        context = {
            "person": person,
            "session": found[0],
            "form": form,
            "proof": proof,
            "remembered": request.session.get(REMEMBERED, []),
        }
        status = 422 if form.is_bound else 200
        return render(request, f"tokens/staff/{name}.html", context, status=status)
    said = _("Nothing was revoked: all of this had ended before.")
    if found and revoke_browser_session(
        browser=found[0], user=person, actor=request.user, reason=form.why
    ):
        said = _("Revoked a browser session of %s.") % person.get_username()
    if wants_fragment(request):
        done = HttpResponse(status=204)
        return trigger_client_event(done, "portal:revoked", {"message": visible(said)})
    messages.success(request, visible(said))
    return redirect("tokens_staff:user", pk=person.pk)
