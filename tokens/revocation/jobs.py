"""Revocations that take longer than a request: one request decides, others run the batches.

The job's row holds the selection and the progress. Each batch locks the row, ends its sessions and
writes the count in one transaction, so two workers never run the same batch, and a worker that is
killed loses nothing. The events name the person who decided, whichever worker runs the batch.

A job by filter ends what the filter found when the job was created (`tokens.revocation.targets`).
"""

from dataclasses import replace
from datetime import datetime
from time import monotonic

from django.db import transaction
from django.db.models import Q

from tokens import audit
from tokens.audit.record import clean_text, name_of
from tokens.db import clock
from tokens.listing.jobs import selection_of
from tokens.listing.selection import Selection, selected_foreign_tokens, selected_sessions
from tokens.models import Kind, RevocationJob
from tokens.models.lengths import REASON_LENGTH
from tokens.origin import Actor, current_actor
from tokens.revocation.batches import (
    BATCH,
    Batch,
    end_batch,
    end_foreign_batch,
    end_session_batch,
    end_targets,
    lock_selected_users,
)
from tokens.revocation.browsers import end_browsers
from tokens.revocation.cutoffs import declare
from tokens.revocation.instants import cutoff_instant
from tokens.revocation.reviews import (
    Preview,
    count_all,
    may_see_rows,
    reaches_everybody,
    within_authority,
)
from tokens.revocation.targets import drop_targets, has_unlisted, list_targets, next_targets
from tokens.validation.legacy import transition_over

# The highest number that a column holds.
MOST = 2**63 - 1


def start_job(*, selection: Selection, found: Preview, actor: Actor, reason: str) -> RevocationJob:
    """Create the job.

    A cutoff for everybody holds from here on; any other selection is ended by the batches
    alone. If the form was sent twice, it returns the job of the first time.
    """
    selection = within_authority(actor=actor, selection=selection)
    with transaction.atomic():
        # Logins of these users that are in flight are opened before the decision.
        lock_selected_users(selection=selection)
        decided = cutoff_instant()
        if (running := _same_job(selection, actor)) is not None:
            return running
        job = create_job(
            selection=selection, found=found, actor=actor, reason=reason, decided=decided
        )
        begin_job(job=job, selection=selection, actor=actor)
        return job


def create_job(
    *, selection: Selection, found: Preview, actor: Actor, reason: str, decided: datetime
) -> RevocationJob:
    """Write down what was decided, and list what a filter finds now."""
    if found.more:
        found = count_all(selection=selection)
    job = RevocationJob.objects.create(
        selection=selection.as_json(),
        reason=clean_text(reason, REASON_LENGTH),
        actor_id=actor.pk if actor is not None else None,
        actor_name=name_of(actor),
        expected=found.sessions,
        people=found.users,
        created_at=decided,
        reaches_everybody=reaches_everybody(selection=selection, found=found, actor=actor),
    )
    if selection.matching is not None:
        list_targets(job=job, selection=frozen(job=job, selection=selection))
        job.save(update_fields=["listed", "expected"])
    return job


def begin_job(*, job: RevocationJob, selection: Selection, actor: Actor) -> None:
    """Do what takes effect at once: a cutoff, or the end of browser sessions."""
    if (until := cutoff_of(selection)) is not None:
        until = min(until, job.created_at)
        cutoff = declare(user=None, not_before=until, actor=actor, reason=job.reason)
        job.cutoff_event_id = cutoff.incomplete_event
        job.save(update_fields=["cutoff_event_id"])
    else:
        end_browsers(selection=selection, actor=actor, reason=job.reason)


def may_read_job(*, job: RevocationJob, actor: Actor) -> bool:
    """Return whether ``actor`` decided the job, or may see whose sessions it names."""
    decided = actor is not None and actor.pk == job.actor_id
    return decided or may_see_rows(actor)


def read_job(*, job: RevocationJob, actor: Actor) -> Selection | None:
    """Return what a job ends, or None if that can't be read, and record who looked."""
    selection = selection_of(job)
    audit.record(
        kind=Kind.CLAIMS_VIEWED,
        actor=actor,
        count=job.expected,
        data={"job": job.pk, "review": job.selection if selection else {}},
    )
    return selection


def _same_job(selection: Selection, actor: Actor) -> RevocationJob | None:
    """Return an unfinished job of the actor that ends all of the selection, or None."""
    own = RevocationJob.objects.filter(
        finished_at=None,
        selection=selection.as_json(),
        actor=actor.pk if actor is not None else None,
    )
    job = own.order_by("-pk").first()
    return job if job is not None and holds_all_of(job=job, selection=selection) else None


def holds_all_of(*, job: RevocationJob, selection: Selection) -> bool:
    """Return whether a job is for this selection, and ends all that it holds now.

    A job leaves out what was issued after it was decided, or has begun to match its filter.
    """
    if job.selection != selection.as_json():
        return False
    if job.listed is not None:
        return not has_unlisted(job=job, selection=selection)
    issued_since = Q(created_at__gte=job.created_at)
    return not (
        selected_sessions(selection=selection).filter(issued_since).exists()
        or selected_foreign_tokens(selection=selection).filter(issued_since).exists()
    )


def cutoff_of(selection: Selection) -> datetime | None:
    """Return the instant of the cutoff that ends the selection, if one for everybody does.

    No cutoff spares superusers.
    """
    cutoff = selection.everybody and not selection.spare_superusers
    return selection.issued_before if cutoff else None


def work_off(*, job: RevocationJob, seconds: float, size: int = BATCH) -> RevocationJob:
    """Run batches for about ``seconds``, at least one, and return the updated job.

    Does nothing while another worker holds the job, or if the portal did not write it.
    """
    until = monotonic() + seconds
    while _work(job.pk, size) and monotonic() < until:
        pass
    return RevocationJob.objects.get(pk=job.pk)


def _work(pk: int, size: int) -> bool:
    """Run one batch. Returns whether this worker may find more to do."""
    with transaction.atomic():
        # The job's row is locked before any user or session. No transaction that holds one of
        # those locks a job.
        rows = RevocationJob.objects.select_for_update(skip_locked=True, of=("self",))
        job = rows.select_related("actor").filter(pk=pk, finished_at=None).first()
        if job is None or (given := selection_of(job)) is None:
            return False
        step = _batch(job, given, size)
        job.worked_at = clock.now()
        if step is None:
            job.finished_at = job.worked_at
        else:
            job.sessions = min(job.sessions + step.ended.sessions, MOST)
            job.tokens = min(job.tokens + step.ended.tokens, MOST)
            job.after = step.after
        job.save()
    return step is not None


def frozen(*, job: RevocationJob, selection: Selection) -> Selection:
    """Return the selection without sessions that were opened after the decision."""
    issued_before = min(selection.issued_before or job.created_at, job.created_at)
    return replace(selection, issued_before=issued_before)


def _batch(job: RevocationJob, given: Selection, size: int) -> Batch | None:
    selection = frozen(job=job, selection=given)
    if (until := cutoff_of(given)) is not None:
        step = end_session_batch(
            selection=selection,
            actor=job.actor,
            reason=job.reason,
            after=job.after,
            seen=set(),
            size=size,
            cut_off=True,
            cutoff_event=job.cutoff_event_id,
        )
        return step if step is not None else _foreign_batch(job, min(until, job.created_at), size)
    data: dict[str, object] = {"job": job.pk, "filter": given.for_trail()}
    worker = current_actor()
    if worker is not None and worker.pk != job.actor_id:
        # The address and the device of the event are those of another person.
        data["continued_by"] = name_of(worker)
    if selection.matching is not None:
        return _listed_batch(job, selection, size, data)
    return end_batch(
        selection=selection,
        actor=job.actor,
        reason=job.reason,
        after=job.after,
        size=size,
        data=data,
    )


def _listed_batch(
    job: RevocationJob, selection: Selection, size: int, data: dict[str, object]
) -> Batch | None:
    """End the next targets of a job by filter."""
    if job.listed is None:
        # A host of an earlier release created the job, and may have run some of its batches.
        ended_before = job.sessions
        list_targets(job=job, selection=selection)
        job.expected += ended_before
    targets = next_targets(job=job, size=size)
    if targets is None:
        return None
    ended = end_targets(
        targets=targets,
        spare_superusers=selection.spare_superusers,
        actor=job.actor,
        reason=job.reason,
        data=data,
    )
    job.position = targets.last
    drop_targets(job=job)
    return Batch(ended, job.after)


def _foreign_batch(job: RevocationJob, not_before: datetime, size: int) -> Batch | None:
    """Blacklist the next tokens without a session that the job's cutoff ended."""
    if transition_over():
        return None
    ended = end_foreign_batch(
        user=None,
        not_before=not_before,
        actor=job.actor,
        reason=job.reason,
        size=size,
        cutoff_event=job.cutoff_event_id,
    )
    return Batch(ended, job.after) if ended is not None else None
