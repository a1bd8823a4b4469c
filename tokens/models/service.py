"""Services: other programs that verify the portal's tokens."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.readable import (
    ReadableBigCountField,
    ReadableBooleanField,
    ReadableCharField,
    ReadableTimeField,
)

NAME_LIMIT = 64


class Service(models.Model):
    """A program with a name and a secret, which introspects tokens or follows the revocation feed.

    ``digest`` is that of the secret, which is shown once. ``confirmed_at`` is an
    instant up to which the service knows every revocation (`tokens.services.confirmations`).
    ``calls`` may lack the latest ones, which a process counts before it stores them.
    """

    name = ReadableCharField(_("name"), max_length=NAME_LIMIT, unique=True)
    digest = ReadableCharField(max_length=64)
    may_introspect = ReadableBooleanField(_("may introspect tokens"), default=False)
    may_read_feed = ReadableBooleanField(_("may read the revocation feed"), default=False)
    created_at = ReadableTimeField(_("added"), default=clock.now)
    rotated_at = ReadableTimeField(_("secret rotated"), null=True)
    last_call_at = ReadableTimeField(_("last call"), null=True)
    confirmed_at = ReadableTimeField(_("feed read up to"), null=True)
    calls = ReadableBigCountField(_("calls"), default=0, db_default=0)

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        default_permissions = ("view",)
        permissions = [("manage_service", "Can add, rotate and remove services")]

    def __str__(self) -> str:
        return str(self.name)
