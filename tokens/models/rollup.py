"""Sums of the audit trail."""

from django.db import models

from tokens.models.readable import (
    ReadableBigCountField,
    ReadableCharField,
    ReadableTimeField,
)


class Rollup(models.Model):
    """The number of events of one kind in one hour (UTC), and the sum of their counts.

    Charts read these rows instead of the trail.
    """

    hour = ReadableTimeField()
    kind = ReadableCharField(max_length=24)
    events = ReadableBigCountField(default=0)
    total = ReadableBigCountField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["hour", "kind"], name="tokens_rollup_once")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h {self.kind}: {self.events}"
