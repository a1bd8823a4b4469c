"""Revocations by two people: one proposes, and another one approves.

A proposal freezes what its review showed. A filter is listed at once, and any other selection
leaves out what is opened later. So the approval ends exactly that, and less only where something
has ended in between.
"""

from datetime import timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from tokens import audit
from tokens.audit.record import name_of
from tokens.db import clock
from tokens.listing.jobs import open_proposals, overdue_proposals, selection_of
from tokens.listing.selection import Selection, selected_foreign_tokens, selected_sessions
from tokens.listing.users import superusers
from tokens.models import (
    Kind,
    OutstandingToken,
    Proposal,
    ProposalState,
    RevocationJob,
    RevocationTarget,
    Session,
)
from tokens.origin import Actor, Origin, acting_from, current_origin, is_staff, may
from tokens.permissions import CUT_OFF, REVOKE, REVOKE_SUPERUSER
from tokens.revocation.batches import lock_selected_users
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.jobs import begin_job, create_job, frozen, holds_all_of
from tokens.revocation.reviews import (
    SAMPLE,
    Preview,
    preview,
    within_authority,
)
from tokens.revocation.sessions import lock_user

LIFETIME = timedelta(hours=24)
KINDS = {
    ProposalState.APPROVED: Kind.PROPOSAL_APPROVED,
    ProposalState.REFUSED: Kind.PROPOSAL_REFUSED,
    ProposalState.WITHDRAWN: Kind.PROPOSAL_WITHDRAWN,
    ProposalState.EXPIRED: Kind.PROPOSAL_EXPIRED,
}


def propose(*, selection: Selection, found: Preview, actor: Actor, reason: str) -> Proposal:
    """Propose an act. If the form was sent twice, return the proposal of the first time."""
    selection = within_authority(actor=actor, selection=selection)
    with transaction.atomic():
        if isinstance(actor, AbstractBaseUser):
            # The same form, sent twice at once, is one proposal.
            lock_user(user=actor)
        decided = cutoff_instant()
        for proposal in open_proposals().filter(job__actor=actor.pk if actor is not None else None):
            if holds_all_of(job=proposal.job, selection=selection):
                return proposal
        job = create_job(
            selection=selection, found=found, actor=actor, reason=reason, decided=decided
        )
        job.finished_at = decided
        job.save(update_fields=["finished_at"])
        proposal = Proposal.objects.create(job=job, expires_at=decided + LIFETIME)
        _record(Kind.PROPOSED, proposal, actor=actor)
        return proposal


def approve(*, proposal: Proposal, actor: Actor) -> bool:
    """Approve a proposal, so that its job begins. Returns False if it is not open any more."""
    job = proposal.job
    selection = selection_of(job)
    if selection is None:
        return False
    with transaction.atomic():
        if not close(proposal=proposal, state=ProposalState.APPROVED, actor=actor):
            return False
        lock_selected_users(selection=selection)
        job.finished_at = None
        job.save(update_fields=["finished_at"])
        # The proposer, in whose name these events are, is not where the approver is.
        with acting_from(Origin(request_id=current_origin().request_id)):
            begin_job(job=job, selection=frozen(job=job, selection=selection), actor=job.actor)
        return True


def close(*, proposal: Proposal, state: ProposalState, actor: Actor) -> bool:
    """End the waiting of a proposal. Of two people who do so at once, one gets True."""
    now = clock.ask()
    late = state == ProposalState.EXPIRED
    with transaction.atomic():
        row = Proposal.objects.filter(pk=proposal.pk, state=ProposalState.OPEN)
        row = row.filter(expires_at__lte=now) if late else row.filter(expires_at__gt=now)
        decided = {"decided_by": actor.pk if actor is not None else None}
        closed = row.update(state=state, decided_name=name_of(actor), decided_at=now, **decided)
        if not closed:
            return False
        if state != ProposalState.APPROVED:
            RevocationTarget.objects.filter(job=proposal.job.pk).delete()
        _record(KINDS[state], proposal, actor=actor)
    return True


def close_overdue() -> int:
    """Close the proposals that were not decided in time, and return how many."""
    overdue = list(overdue_proposals())
    return sum(close(proposal=one, state=ProposalState.EXPIRED, actor=None) for one in overdue)


def missing_for_approval(*, proposal: Proposal, actor: Actor) -> str:
    """Return the permission that ``actor`` lacks for all that a proposal ends, or an empty text."""
    selection = selection_of(proposal.job)
    if selection is None or not may(actor, REVOKE):
        return REVOKE
    spared = within_authority(actor=actor, selection=selection) != selection
    if spared and _reaches_superuser(proposal.job, selection):
        return REVOKE_SUPERUSER
    return CUT_OFF if proposal.job.for_everybody and not may(actor, CUT_OFF) else ""


def _reaches_superuser(job: RevocationJob, selection: Selection) -> bool:
    if selection.everybody or superusers().filter(Q(pk__in=selection.users)).exists():
        return True
    chosen = frozen(job=job, selection=selection)
    sessions = selected_sessions(selection=chosen)
    tokens = selected_foreign_tokens(selection=chosen)
    if job.listed is not None:
        targets = RevocationTarget.objects.filter(job=job.pk)
        sessions = Session.objects.filter(pk__in=targets.values("session_id"))
        tokens = OutstandingToken.objects.filter(pk__in=targets.values("token_id"))
    theirs = Q(user__in=superusers().values("pk"))
    return any(rows.filter(theirs).order_by().exists() for rows in (sessions, tokens))


def proposer_still_may(proposal: Proposal) -> bool:
    """Return whether the person who proposed it is still staff with the permissions for it."""
    proposer = proposal.job.actor
    active = proposer is not None and proposer.is_active and is_staff(proposer)
    return active and not missing_for_approval(proposal=proposal, actor=proposer)


def tokens_of(proposal: Proposal) -> int:
    """Return how many tokens a proposal ends: one of each session, and those without a session."""
    job, selection = proposal.job, selection_of(proposal.job)
    tokens: int = job.expected if job.listed is None else job.listed
    if job.listed is None and selection is not None:
        without = selected_foreign_tokens(selection=frozen(job=job, selection=selection))
        tokens += without.count()
    return tokens


def sample_of(proposal: Proposal) -> list[Session]:
    """Return a few of the sessions that a proposal ends."""
    job, selection = proposal.job, selection_of(proposal.job)
    if selection is None:
        return []
    if job.listed is None:
        return list(preview(selection=frozen(job=job, selection=selection)).sample)
    targets = RevocationTarget.objects.filter(job=job.pk, session_id__isnull=False)
    keys = targets.order_by("number").values_list("session_id", flat=True)[:SAMPLE]
    named = Session.objects.filter(pk__in=[key for key in keys if key is not None])
    return list(named.select_related("user"))


def _record(kind: Kind, proposal: Proposal, *, actor: Actor) -> None:
    job = proposal.job
    selection = selection_of(job)
    what = selection.for_trail() if selection is not None else {}
    audit.record(
        kind=kind,
        actor=actor,
        reason=job.reason,
        count=job.expected,
        data={"proposal": proposal.pk, "job": job.pk, "filter": what},
    )
