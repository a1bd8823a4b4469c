"""Revocations that run in batches."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models.lengths import NAME_LENGTH, REASON_LENGTH
from tokens.models.readable import (
    ReadableBigCountField,
    ReadableBigIntegerField,
    ReadableBooleanField,
    ReadableCharField,
    ReadableForeignKey,
    ReadableObjectField,
    ReadableTimeField,
    ReadableUUIDField,
)


class RevocationJob(models.Model):
    """A revocation of more sessions than one request can end.

    The open page of the job, or ``revoke_tokens --resume``, runs its batches. ``finished_at`` is
    empty until the job is done.

    A job by filter ends the sessions and tokens that its first transaction listed: ``listed`` is
    their number, and ``position`` the number of the last one that a batch has ended. ``listed`` is
    None for other jobs. Theirs select by conditions that hold for a session for ever; ``after`` is
    the last session that was examined, so that no batch scans the sessions of earlier batches.
    """

    selection = ReadableObjectField(_("selection"))
    reason = ReadableCharField(_("reason"), max_length=REASON_LENGTH)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("decided by"),
    )
    actor_name = ReadableCharField(max_length=NAME_LENGTH, blank=True)
    expected = ReadableBigCountField(_("sessions at the start"))
    people = ReadableBigCountField(_("people at the start"))
    sessions = ReadableBigCountField(_("sessions ended"), default=0)
    tokens = ReadableBigCountField(_("tokens ended"), default=0)
    # The selection holds everybody's sessions, in whatever form it was given. Running a batch then
    # needs the permission that starting the job needed.
    reaches_everybody = ReadableBooleanField(default=False, db_default=False)
    after = ReadableUUIDField(null=True)
    listed = ReadableBigCountField(null=True)
    position = ReadableBigCountField(default=0, db_default=0)
    # The event of the cutoff whose sessions the job marks, unless that event lists them itself.
    cutoff_event_id = ReadableBigIntegerField(null=True)
    created_at = ReadableTimeField(_("created"))
    worked_at = ReadableTimeField(_("last batch"), null=True)
    finished_at = ReadableTimeField(_("finished"), null=True)

    # `tokens.listing.jobs.selection_of` can read the selection; the overview sets it.
    readable: bool

    class Meta:
        verbose_name = _("long revocation")
        verbose_name_plural = _("long revocations")
        default_permissions = ()
        indexes = [
            # The few unfinished jobs, for the overview and ``--resume``.
            models.Index(
                fields=["created_at"],
                name="tokens_job_unfinished",
                condition=models.Q(finished_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.sessions} of {self.expected}"

    @property
    def everybody(self) -> bool:
        """Return True if a cutoff has already invalidated every session of the job."""
        return bool(self.selection.get("everybody"))

    @property
    def for_everybody(self) -> bool:
        """Return True for a revocation of everybody's sessions, however it was selected."""
        return self.everybody or self.reaches_everybody

    @property
    def percent(self) -> int:
        """Return the progress; 100 only when the job is finished."""
        if self.finished_at is not None:
            return 100
        done, of = self.sessions, self.expected
        if self.listed is not None:
            done, of = self.position, self.listed
        return min(99, int(done * 100 // max(of, 1)))


class RevocationTarget(models.Model):
    """A session, or a token without a session, that a job by filter is still to end.

    The targets of a job are numbered from 1. The batch that ends a target deletes its row.
    """

    pk = models.CompositePrimaryKey("job_id", "number")
    # None of these columns has a constraint: checking a million rows would slow a job down, and a
    # session or a token may be purged before its batch.
    job = ReadableForeignKey(
        RevocationJob,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="targets",
    )
    number = ReadableBigCountField()
    session_id = ReadableUUIDField(null=True)
    token_id = ReadableBigIntegerField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.job_id}.{self.number} {self.session_id or self.token_id}"
