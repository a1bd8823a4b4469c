"""The signing keys of the ring that the database holds."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.readable import (
    ReadableBinaryField,
    ReadableCharField,
    ReadableTextField,
    ReadableTimeField,
)


class KeyState(models.TextChoices):
    """The states of a signing key, in the only order in which it passes through them."""

    UPCOMING = "upcoming", _("upcoming")
    SIGNING = "signing", _("signing")
    VERIFYING = "verifying", _("verifying")
    RETIRED = "retired", _("retired")


class SigningKey(models.Model):
    """A key that signs tokens, will sign, or once did.

    ``protected`` holds the private key or the secret, encrypted together with a proof of all other
    columns: see `tokens.keyring.protection`. A retired key has no private key any more. ``public``
    is a JWK (RFC 7517) as JSON; a secret has none.
    """

    kid = ReadableCharField(_("key"), max_length=64, unique=True)
    algorithm = ReadableCharField(_("algorithm"), max_length=16)
    state = ReadableCharField(_("state"), max_length=16, choices=KeyState.choices)
    added_at = ReadableTimeField(_("added"), default=clock.now)
    signing_at = ReadableTimeField(_("signs since"), null=True)
    verifying_at = ReadableTimeField(_("signed until"), null=True)
    retired_at = ReadableTimeField(_("retired"), null=True)
    public = ReadableTextField(blank=True)
    protected = ReadableBinaryField()

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state=KeyState.SIGNING),
                name="tokens_one_key_signs",
            ),
            models.UniqueConstraint(
                fields=["algorithm"],
                condition=models.Q(state=KeyState.UPCOMING),
                name="tokens_one_key_is_next",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kid} {self.algorithm}"
