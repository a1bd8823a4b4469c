"""Cutoffs."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.lengths import NAME_LENGTH, REASON_LENGTH
from tokens.models.readable import (
    ReadableCharField,
    ReadableTimeField,
)


class Cutoff(models.Model):
    """A time before which every token of one user, or of all users, is invalid.

    ``user`` is empty for all users. Rows are only added; the latest ``not_before`` applies,
    whatever the order of the rows.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("user"),
    )
    not_before = ReadableTimeField(_("not before"))
    created_at = ReadableTimeField(_("created"), default=clock.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("set by"),
    )
    actor_name = ReadableCharField(max_length=NAME_LENGTH, blank=True)
    reason = ReadableCharField(_("reason"), max_length=REASON_LENGTH)

    class Meta:
        verbose_name = _("cutoff")
        verbose_name_plural = _("cutoffs")
        default_permissions = ("view", "add")
        indexes = [models.Index(fields=["user", "-not_before"], name="tokens_cutoff_user")]

    def __str__(self) -> str:
        user = self.user
        name = gettext("everyone") if user is None else user.get_username()
        return f"{name} {self.not_before:%Y-%m-%d %H:%M:%S}"
