"""Sums of the audit trail."""

from django.db import models


class Rollup(models.Model):
    """The number of events of one kind in one hour (UTC), and the sum of their counts.

    Charts read these rows instead of the trail.
    """

    hour = models.DateTimeField()
    kind = models.CharField(max_length=24)
    events = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["hour", "kind"], name="tokens_rollup_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h {self.kind}: {self.events}"
