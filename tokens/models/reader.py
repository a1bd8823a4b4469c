"""Store how far each reader of the trail has come."""

from django.db import models


class TrailReader(models.Model):
    """The position of one reader (the roll-up or the webhook) in the audit trail.

    The trail is the outbox: all events up to ``last_id`` are delivered. The webhook's row moves
    only after the receiver has confirmed a delivery.
    """

    name = models.CharField(primary_key=True, max_length=32)
    last_id = models.PositiveBigIntegerField(default=0)
    # How many targets of the next event are delivered too.
    targets = models.PositiveIntegerField(default=0, db_default=0)
    # The number of failed deliveries since the last success, and when the next one is due.
    failures = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)
    # The process that delivers. The lease of a process that was killed expires.
    holder = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} has read through {self.last_id}"
