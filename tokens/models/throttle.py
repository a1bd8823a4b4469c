"""Counters of login attempts."""

from django.db import models

from tokens.models.readable import (
    ReadableCharField,
    ReadableCountField,
    ReadableTimeField,
)


class LoginThrottle(models.Model):
    """A counter of login attempts for an account, an address, or both.

    The counter is in the database, because an eviction, a restart or a second worker would reset
    one in a cache. ``key`` is a digest, so the table contains no names or addresses.
    """

    key = ReadableCharField(primary_key=True, max_length=64)
    attempts = ReadableCountField(default=0)
    resets_at = ReadableTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.attempts} until {self.resets_at:%H:%M:%S}"
