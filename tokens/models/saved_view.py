"""Filtered lists that staff have named."""

from django.conf import settings
from django.db import models
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from tokens.models.readable import (
    ReadableBooleanField,
    ReadableCharField,
    ReadableObjectField,
    ReadableTimeField,
)


class SavedView(models.Model):
    """A list with filters, under a name. ``shared`` shows it to colleagues who may see the list.

    ``filters`` are as an address gives them, so a relative range stays relative.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        # The constraint's index begins with this column.
        db_index=False,
        verbose_name=_("owner"),
    )
    list_name = ReadableCharField(_("list"), max_length=20)
    name = ReadableCharField(_("name"), max_length=60)
    filters = ReadableObjectField(_("filters"))
    shared = ReadableBooleanField(_("shared"), default=False)
    created_at = ReadableTimeField(_("created"))

    # `tokens.listing.saved_views` sets it: all of its filters still exist.
    readable: bool

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        # Owners delete their own views; the permission is for those of others.
        default_permissions = ("delete",)
        constraints = [
            models.UniqueConstraint(fields=["owner", "list_name", "name"], name="tokens_view_name")
        ]
        indexes = [
            # What colleagues share.
            models.Index(
                fields=["list_name"], name="tokens_view_shared", condition=models.Q(shared=True)
            )
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def query_string(self) -> str:
        """Return the filters as an address has them."""
        return urlencode(self.filters)
