"""List revocation jobs and proposals, and read what they end."""

from django.db.models import QuerySet

from tokens.db import clock
from tokens.listing.selection import Selection, UnreadableSelection
from tokens.models import Proposal, ProposalState, RevocationJob
from tokens.models.readable import is_readable


def unfinished_jobs() -> "QuerySet[RevocationJob]":
    """Return the jobs that aren't finished, the oldest first."""
    return RevocationJob.objects.filter(finished_at=None).order_by("created_at", "pk")


def open_proposals() -> "QuerySet[Proposal]":
    """Return the proposed revocations that can still be approved, the oldest first."""
    waiting = Proposal.objects.filter(state=ProposalState.OPEN, expires_at__gt=clock.now())
    return waiting.select_related("job__actor").order_by("expires_at", "pk")


def overdue_proposals() -> "QuerySet[Proposal]":
    """Return the proposed revocations that were not decided in time."""
    waiting = Proposal.objects.filter(state=ProposalState.OPEN, expires_at__lte=clock.now())
    return waiting.select_related("job").order_by("expires_at", "pk")


def selection_of(job: RevocationJob) -> Selection | None:
    """Return what a job ends, or None for a row that the portal did not write."""
    if not is_readable(job.created_at):
        return None
    try:
        return Selection.from_json(job.selection)
    except UnreadableSelection:
        return None
