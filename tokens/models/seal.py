from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Seal(models.Model):
    """What closes a stretch of the audit trail: every event with an id above ``after_id`` and
    up to ``through_id``. Append-only, like the events; `tokens.audit.chain` says how it is made.

    A seal with ``removed_through`` closes nothing: it testifies that the events of all seals up
    to that number were removed by retention.
    """

    number = models.PositiveBigIntegerField(_("number"), primary_key=True)
    version = models.PositiveSmallIntegerField(default=1)
    key_id = models.CharField(max_length=16)
    after_id = models.PositiveBigIntegerField()
    through_id = models.PositiveBigIntegerField()
    count = models.PositiveIntegerField(_("events"))
    first_at = models.DateTimeField(_("first event"), null=True)
    last_at = models.DateTimeField(_("last event"), null=True)
    # For naming the first event that differs: the steps between ids, and eight bytes of the
    # chain at each event. Both are compressed or cut, and covered by the digest.
    steps = models.BinaryField()
    links = models.BinaryField()
    tip = models.CharField(max_length=64)
    previous = models.CharField(max_length=64)
    digest = models.CharField(_("digest"), max_length=64)
    sealed_at = models.DateTimeField(_("sealed"), default=timezone.now)
    removed_through = models.PositiveBigIntegerField(null=True)

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"
