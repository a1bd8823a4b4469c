"""The second factors of accounts, and the codes that replace a lost one."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.readable import (
    ReadableBigIntegerField,
    ReadableBinaryField,
    ReadableCharField,
    ReadableTimeField,
)

NAME_LIMIT = 64


class FactorKind(models.TextChoices):
    """The kinds of second factors."""

    TOTP = "totp", _("authenticator app")
    PASSKEY = "passkey", _("passkey")


class Factor(models.Model):
    """A second factor of an account: an authenticator app (RFC 6238) or a passkey (WebAuthn).

    ``credential`` is the app's key, encrypted (`tokens.accounts.totp`), or a passkey's public key
    (`tokens.accounts.passkeys`). ``counter`` grows with each use, so that none works twice: it is
    the time step of the latest code, or what the passkey counts.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    kind = ReadableCharField(_("kind"), max_length=16, choices=FactorKind.choices)
    name = ReadableCharField(_("name"), max_length=NAME_LIMIT)
    credential = ReadableBinaryField()
    counter = ReadableBigIntegerField(default=0)
    added_at = ReadableTimeField(_("added"), default=clock.now)
    last_used_at = ReadableTimeField(_("last used"), null=True)

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        default_permissions = ()
        permissions = [("reset_factor", "Can reset the second factor of an account")]

    def __str__(self) -> str:
        return str(self.name)


class RecoveryCode(models.Model):
    """A code that opens an account once, without its second factor. Its row goes when it is used.

    ``digest`` is the SHA-256 of a code with 120 random bits.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    digest = ReadableCharField(max_length=64)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="tokens_one_recovery_code")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user_id}"
