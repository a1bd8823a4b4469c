"""Seals of the audit trail."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock


class Seal(models.Model):
    """The seal of a stretch: the events with ``after_id < id <= through_id``.

    Append-only, like the events. `tokens.audit.chain` computes it.

    A seal with ``removed_through`` covers no events. It testifies that retention removed the
    events of all seals up to that number.
    """

    number = models.PositiveBigIntegerField(_("number"), primary_key=True)
    version = models.PositiveSmallIntegerField(default=1)
    key_id = models.CharField(max_length=16)
    after_id = models.PositiveBigIntegerField()
    through_id = models.PositiveBigIntegerField()
    count = models.PositiveIntegerField(_("events"))
    first_at = models.DateTimeField(_("first event"), null=True)
    last_at = models.DateTimeField(_("last event"), null=True)
    # Used to name the first event that differs: the differences between ids (compressed), and
    # eight bytes of the chain for each event. The digest covers both.
    steps = models.BinaryField()
    links = models.BinaryField()
    tip = models.CharField(max_length=64)
    previous = models.CharField(max_length=64)
    digest = models.CharField(_("digest"), max_length=64)
    sealed_at = models.DateTimeField(_("sealed"), default=clock.now)
    removed_through = models.PositiveBigIntegerField(null=True)

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"
