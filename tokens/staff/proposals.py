"""Show a proposed revocation, and approve, refuse or withdraw it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from tokens import revocation
from tokens.db import clock
from tokens.models import Proposal, ProposalState
from tokens.permissions import CUT_OFF, REVOKE, VIEW_SESSIONS
from tokens.revocation import proposals
from tokens.staff.guards import denied, staff_may
from tokens.staff.jobs import POLL_SECONDS
from tokens.web.proof import proof_needed

APPROVE, REFUSE, WITHDRAW = "approve", "refuse", "withdraw"


@require_http_methods(["GET", "POST"])
@staff_may(REVOKE)
def proposal(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what would be revoked. A POST decides, by its ``act``."""
    found = get_object_or_404(Proposal.objects.select_related("job__actor"), pk=pk)
    if not revocation.may_read_job(job=found.job, actor=request.user):
        denied(request, VIEW_SESSIONS)
    if found.job.for_everybody and not request.user.has_perm(CUT_OFF):
        denied(request, CUT_OFF)
    own = found.job.actor_id == request.user.pk
    act = request.POST.get("act")
    if act == WITHDRAW and own:
        return _close(request, found, ProposalState.WITHDRAWN, _("The proposal is withdrawn."))
    missing = "" if own else proposals.missing_for_approval(proposal=found, actor=request.user)
    if act in (APPROVE, REFUSE) and missing:
        denied(request, missing)
    if act == REFUSE and not own:
        return _close(request, found, ProposalState.REFUSED, _("The proposal is refused."))
    void = not proposals.proposer_still_may(found)
    may_approve = not (own or missing or void)
    proof = proof_needed(request, sent=act == APPROVE) if may_approve else None
    if act == APPROVE and may_approve and proof is None:
        return _approve(request, found)
    return _page(
        request, found, own=own, missing=missing, void=void, may_approve=may_approve, proof=proof
    )


def _approve(request: HttpRequest, found: Proposal) -> HttpResponse:
    if not proposals.approve(proposal=found, actor=request.user):
        return _decided_before(request, found)
    # A small act is done at once, and the page of the job goes on with a large one.
    revocation.work_off(job=found.job, seconds=POLL_SECONDS)
    messages.success(request, _("The proposal is approved."))
    return redirect("tokens_staff:revoke-job", pk=found.job_id)


def _close(request: HttpRequest, found: Proposal, state: ProposalState, words: str) -> HttpResponse:
    if not proposals.close(proposal=found, state=state, actor=request.user):
        return _decided_before(request, found)
    messages.success(request, words)
    return redirect("tokens_staff:overview")


def _decided_before(request: HttpRequest, found: Proposal) -> HttpResponse:
    messages.warning(request, _("Nothing was changed: this proposal is not open any more."))
    return redirect("tokens_staff:proposal", pk=found.pk)


def _page(request: HttpRequest, found: Proposal, **what: object) -> HttpResponse:
    named = revocation.may_see_rows(request.user)
    selection = revocation.read_job(job=found.job, actor=request.user)
    waits = found.state == ProposalState.OPEN
    context = {
        "proposal": found,
        "job": found.job,
        "open": waits and found.expires_at > clock.now(),
        "late": waits and found.expires_at <= clock.now(),
        "selection": selection,
        "parts": selection.labelled_parts() if selection is not None and named else [],
        "tokens": proposals.tokens_of(found) if waits else None,
        "sample": proposals.sample_of(found) if named and waits else [],
        **what,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "tokens/staff/proposal.html", context, status=status)
