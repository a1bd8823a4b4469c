"""Revocations that take longer than a request: decided in one, worked off in many.

The row says what was decided and how far it is. Each batch takes the row's lock, ends its
sessions and writes the count in one transaction, so two workers never do the same batch, and a
worker that dies loses nothing. Whoever works: the events name the person who decided.
"""

from dataclasses import replace
from time import monotonic
from typing import Any

from django.db import transaction
from django.utils import timezone

from tokens.audit.record import name_of
from tokens.models import RevocationJob
from tokens.revocation.batches import BATCH, Step, end_batch, end_session_batch, hold_selected_users
from tokens.revocation.cutoffs import declare
from tokens.revocation.preview import Preview, count_all
from tokens.selectors.selection import Selection


def start_job(
    *, selection: Selection, found: Preview, actor: Any | None, reason: str
) -> RevocationJob:
    """Decide it. A cut-off for everybody holds from here on; of anything else nothing is ended
    yet. Asked twice, the unfinished job for the same selection is the answer."""
    if found.more:
        found = count_all(selection=selection)
    wanted = selection.as_json()
    with transaction.atomic():
        running = RevocationJob.objects.filter(finished_at=None, selection=wanted).first()
        if running is not None:
            return running
        job = RevocationJob.objects.create(
            selection=wanted,
            reason=reason[:500],
            actor=actor,
            actor_name=name_of(actor),
            expected=found.sessions,
            people=found.users,
            created_at=timezone.now(),
        )
        if selection.everybody and selection.issued_before is not None:
            declare(user=None, not_before=selection.issued_before, actor=actor, reason=reason)
        return job


def work_off(*, job: RevocationJob, seconds: float, size: int = BATCH) -> RevocationJob:
    """Do batches for about ``seconds``, and at least one; the job as it then stands. Does
    nothing while somebody else is at it."""
    until = monotonic() + seconds
    while _work(job.pk, size) and monotonic() < until:
        pass
    return RevocationJob.objects.get(pk=job.pk)


def _work(pk: int, size: int) -> bool:
    """One batch; whether there may be more to do for this worker."""
    with transaction.atomic():
        # The job's row comes before any user's or session's, and nobody who holds one of those
        # asks for it.
        rows = RevocationJob.objects.select_for_update(skip_locked=True, of=("self",))
        job = rows.select_related("actor").filter(pk=pk, finished_at=None).first()
        if job is None:
            return False
        step = _batch(job, size)
        job.worked_at = timezone.now()
        if step is None:
            job.finished_at = job.worked_at
        else:
            job.sessions += step.ended.sessions
            job.tokens += step.ended.tokens
            job.after = step.after
        job.save()
    return step is not None


def _batch(job: RevocationJob, size: int) -> Step | None:
    selection = Selection.from_json(job.selection)
    # Who logs in again after the decision is not meant by it.
    issued_before = min(selection.issued_before or job.created_at, job.created_at)
    selection = replace(selection, issued_before=issued_before)
    if job.everybody and job.selection.get("issued_before"):
        return end_session_batch(
            selection=selection,
            actor=job.actor,
            reason=job.reason,
            after=job.after,
            seen=set(),
            size=size,
            silent=True,
        )
    if job.after is None:
        hold_selected_users(selection=selection)
    return end_batch(
        selection=selection,
        actor=job.actor,
        reason=job.reason,
        after=job.after,
        size=size,
        data={"job": job.pk},
    )
