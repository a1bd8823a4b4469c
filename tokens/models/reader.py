"""Store how far each reader of the trail has come."""

from django.db import models

from tokens.models.readable import (
    ReadableBigCountField,
    ReadableCharField,
    ReadableCountField,
    ReadableTimeField,
)


class TrailReader(models.Model):
    """The position of one reader (the roll-up or the webhook) in the audit trail.

    The trail is the outbox: all events up to ``last_id`` are delivered. The webhook's row moves
    only after the receiver has confirmed a delivery.
    """

    name = ReadableCharField(primary_key=True, max_length=32)
    last_id = ReadableBigCountField(default=0)
    # How many targets of the next event are delivered too.
    targets = ReadableCountField(default=0, db_default=0)
    # The number of failed deliveries since the last success, and when the next one is due.
    failures = ReadableCountField(default=0)
    next_try_at = ReadableTimeField(null=True)
    error = ReadableCharField(max_length=200, blank=True)
    # The process that delivers. The lease of a process that was killed expires.
    holder = ReadableCharField(max_length=32, blank=True)
    leased_until = ReadableTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} has read through {self.last_id}"
