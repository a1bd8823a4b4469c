from django.db import models


class LoginThrottle(models.Model):
    """A counter of login attempts for one digest of an account, an address, or both.

    It stands in the database because a throttle in a cache is lifted by an eviction, a restart
    or a second worker; ``key`` is a digest, so the table names nobody.
    """

    key = models.CharField(primary_key=True, max_length=64)
    attempts = models.PositiveIntegerField(default=0)
    resets_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.attempts} until {self.resets_at:%H:%M:%S}"
