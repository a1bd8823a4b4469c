"""Seals of the audit trail."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.readable import ReadableBinaryField, ReadableTimeField
from tokens.models.seal_fields import (
    SealCountField,
    SealIdField,
    SealTextField,
    SealVersionField,
)


class Seal(models.Model):
    """The seal of a stretch: the events with ``after_id < id <= through_id``.

    Append-only, like the events. `tokens.audit.chain` computes it. A role that may insert rows can
    add a seal with any values, which these fields can read.

    A seal with ``removed_through`` covers no events. It testifies that retention removed the
    events of all seals up to that number.
    """

    number = SealIdField(_("number"), primary_key=True)
    version = SealVersionField(default=1)
    key_id = SealTextField(max_length=16)
    after_id = SealIdField()
    through_id = SealIdField()
    count = SealCountField(_("events"))
    first_at = ReadableTimeField(_("first event"), null=True)
    last_at = ReadableTimeField(_("last event"), null=True)
    # Used to name the first event that differs: the differences between ids (compressed), and
    # eight bytes of the chain for each event. The digest covers both.
    steps = ReadableBinaryField()
    links = ReadableBinaryField()
    tip = SealTextField(max_length=64)
    previous = SealTextField(max_length=64)
    digest = SealTextField(_("digest"), max_length=64)
    sealed_at = ReadableTimeField(_("sealed"), default=clock.now)
    removed_through = SealIdField(null=True)

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"
