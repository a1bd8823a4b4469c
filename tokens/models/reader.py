from django.db import models


class TrailReader(models.Model):
    """How far something has read the audit trail: the roll-up, the webhook. The trail is the
    outbox; an event is delivered once ``last_id`` has passed it, and that is written only after
    the receiver has said so."""

    name = models.CharField(primary_key=True, max_length=32)
    last_id = models.PositiveBigIntegerField(default=0)
    # Failed deliveries in a row, and when the next one is due.
    failures = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=200, blank=True)
    # Who delivers just now; a process that was killed loses it when the lease ends.
    holder = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} has read through {self.last_id}"
