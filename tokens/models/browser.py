"""Cutoffs for browser sessions."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models.readable import (
    ReadableForeignKey,
    ReadableListField,
    ReadableTimeField,
)


class BrowserCutoff(models.Model):
    """A time before which the browser sessions of one user, or of all users, are over.

    A `Cutoff` ends browser sessions too. Rows of this table are for the acts that set none: a user
    logs out everywhere else, or staff revoke all of many users.

    ``user`` is empty for all users. ``spared`` then holds the keys, as text, of the superusers that
    the act did not reach. Rows are only added; the latest ``not_before`` applies.
    """

    user = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        # A row that outlives its user ends nothing.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("user"),
    )
    not_before = ReadableTimeField(_("not before"))
    spared = ReadableListField(default=list)

    class Meta:
        verbose_name = _("cutoff for browser sessions")
        verbose_name_plural = _("cutoffs for browser sessions")
        default_permissions = ()
        indexes = [models.Index(fields=["user", "-not_before"], name="tokens_browser_cutoff_user")]

    def __str__(self) -> str:
        return f"{self.user_id or 'everybody'} {self.not_before:%Y-%m-%d %H:%M:%S}"
