"""Browser sessions, and the cutoffs for them."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models.lengths import DEVICE_NAME_LENGTH
from tokens.models.readable import (
    ReadableAddressField,
    ReadableCharField,
    ReadableForeignKey,
    ReadableListField,
    ReadableTimeField,
    ReadableUUIDField,
)
from tokens.origin import USER_AGENT_LENGTH


class BrowserSession(models.Model):
    """One login in a browser: a cookie session of Django, whichever engine keeps it.

    The cookie session holds the id of its row. Nothing in the row opens it.
    """

    id = ReadableUUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        # A row that outlives its user is of no use.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        db_index=False,
        verbose_name=_("user"),
    )
    opened_at = ReadableTimeField(_("logged in"))
    # Later cutoffs end it. An act in it that spares it moves this to the cutoff of the act.
    valid_from = ReadableTimeField(_("valid from"))
    last_used_at = ReadableTimeField(_("last used"))
    # With its cookie, BROWSER_HOURS after the login, or BROWSER_IDLE_MINUTES after the last use.
    ends_at = ReadableTimeField(_("ends unless used"))
    ip = ReadableAddressField(_("address"), null=True, unpack_ipv4=True)
    user_agent = ReadableCharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    name = ReadableCharField(
        _("name"), max_length=DEVICE_NAME_LENGTH, blank=True, default="", db_default=""
    )
    revoked_at = ReadableTimeField(_("revoked"), null=True)

    class Meta:
        verbose_name = _("browser session")
        verbose_name_plural = _("browser sessions")
        default_permissions = ()
        indexes = [
            # Those of one user, the last used first.
            models.Index(fields=["user", "-last_used_at", "-id"], name="tokens_browser_mine"),
            # The purge.
            models.Index(fields=["ends_at"], name="tokens_browser_ends"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.id}"


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
