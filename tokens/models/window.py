"""Windows in which repeated events are counted."""

from django.db import models

from tokens.models.readable import (
    ReadableCharField,
    ReadableCountField,
    ReadableTimeField,
)


class EventWindow(models.Model):
    """A window that one event opened, in which further events of its kind and subject are counted.

    ``key`` is a digest of the kind and of what the events are about. ``left_out`` is the number of
    events that were not written since ``opened_at``; the next event records it.
    """

    key = ReadableCharField(primary_key=True, max_length=64)
    opened_at = ReadableTimeField(db_index=True)
    left_out = ReadableCountField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.left_out} since {self.opened_at:%H:%M:%S}"
