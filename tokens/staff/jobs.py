"""Show the progress of a revocation job, and run its next batches."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from tokens import revocation
from tokens.listing.jobs import selection_of
from tokens.models import Proposal, ProposalState, RevocationJob
from tokens.permissions import CUT_OFF, REVOKE, VIEW_SESSIONS
from tokens.services import reach_of_job
from tokens.staff.guards import denied, staff_may, wants_fragment

# How long one poll works. Without JavaScript, a button is pressed and works for longer.
POLL_SECONDS, PRESS_SECONDS = 1.0, 5.0


@require_http_methods(["GET", "POST"])
@staff_may(REVOKE)
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the job. A POST revokes its next batches."""
    found = get_object_or_404(RevocationJob, pk=pk)
    if not revocation.may_read_job(job=found, actor=request.user):
        denied(request, VIEW_SESSIONS)
    if found.for_everybody and not request.user.has_perm(CUT_OFF):
        denied(request, CUT_OFF)
    if found.finished_at is not None and found.worked_at is None:
        # Nothing has worked on it: it may be a proposal.
        waiting = Proposal.objects.filter(job=found.pk).exclude(state=ProposalState.APPROVED)
        if (proposal := waiting.first()) is not None:
            return redirect("tokens_staff:proposal", pk=proposal.pk)
    fragment = wants_fragment(request)
    going = request.method == "POST" and found.finished_at is None
    if going:
        found = revocation.work_off(job=found, seconds=POLL_SECONDS if fragment else PRESS_SECONDS)
    if request.method == "POST" and not fragment:
        return redirect(request.path)
    context: dict[str, object] = {
        "job": found,
        "readable": selection_of(found) is not None,
        "reach": reach_of_job(job=found),
    }
    if not fragment:
        # A fragment has the counts alone.
        selection = revocation.read_job(job=found, actor=request.user)
        named = revocation.may_see_rows(request.user)
        parts = selection.labelled_parts() if selection is not None and named else []
        context |= {"selection": selection, "parts": parts}
    response = render(
        request, "tokens/staff/_job.html" if fragment else "tokens/staff/job.html", context
    )
    if going and found.finished_at is not None:
        number = found.sessions or found.tokens
        what = (
            ngettext("%(n)s session", "%(n)s sessions", number)
            if found.sessions or not found.tokens
            else ngettext("%(n)s token", "%(n)s tokens", number)
        )
        summary = _("Finished: revoked %(what)s.") % {"what": what % {"n": number}}
        trigger_client_event(response, "portal:notice", {"message": summary})
    return response
