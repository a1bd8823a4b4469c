from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RevocationJob(models.Model):
    """A revocation of more sessions than one request can end: decided once, worked off in
    batches by whoever has its page open or runs ``revoke_tokens --resume``.

    ``after`` is the last session looked at, so that no batch walks over what the batches before
    it have ended. ``finished_at`` is empty while there is something left.
    """

    selection = models.JSONField(_("selection"))
    reason = models.CharField(_("reason"), max_length=500)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("decided by"),
    )
    actor_name = models.CharField(max_length=254, blank=True)
    expected = models.PositiveBigIntegerField(_("sessions at the start"))
    people = models.PositiveBigIntegerField(_("people at the start"))
    sessions = models.PositiveBigIntegerField(_("sessions ended"), default=0)
    tokens = models.PositiveBigIntegerField(_("tokens ended"), default=0)
    after = models.UUIDField(null=True)
    created_at = models.DateTimeField(_("created"))
    worked_at = models.DateTimeField(_("last batch"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("long revocation")
        verbose_name_plural = _("long revocations")
        default_permissions = ()
        indexes = [
            # The unfinished ones, of which there are few: overview, ``--resume``.
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
        """Whether a cut-off stands behind it, which already holds for every session in it."""
        return bool(self.selection.get("everybody"))

    @property
    def percent(self) -> int:
        if self.finished_at is not None:
            return 100
        return min(99, self.sessions * 100 // max(self.expected, 1))
