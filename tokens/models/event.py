"""The audit trail."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.db import clock
from tokens.models.kinds import Kind, Traits, kind_choices, traits_of
from tokens.models.lengths import JTI_LENGTH, NAME_LENGTH, REASON_LENGTH, REQUEST_ID_LENGTH
from tokens.models.readable import (
    ReadableAddressField,
    ReadableCharField,
    ReadableCountField,
    ReadableForeignKey,
    ReadableObjectField,
    ReadableTimeField,
    ReadableUUIDField,
    is_readable,
)
from tokens.origin import CLIENT_LENGTH, USER_AGENT_LENGTH


class Event(models.Model):
    """One line of the audit trail. Append-only: the database refuses UPDATE and DELETE.

    ``actor`` and ``subject`` have no constraint and are never set to NULL, because the event must
    not change when an account is deleted. The event keeps their names for that case.
    """

    at = ReadableTimeField(_("when"), default=clock.now)
    kind = ReadableCharField(_("kind"), max_length=24, choices=kind_choices)
    actor = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = ReadableCharField(_("actor"), max_length=NAME_LENGTH, blank=True)
    subject = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name=_("subject"),
    )
    subject_name = ReadableCharField(_("subject"), max_length=NAME_LENGTH, blank=True)
    session_id = ReadableUUIDField(_("session"), null=True)
    jti = ReadableCharField(_("jti"), max_length=JTI_LENGTH, blank=True)
    ip = ReadableAddressField(_("address"), null=True, unpack_ipv4=True)
    user_agent = ReadableCharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    client = ReadableCharField(_("client"), max_length=CLIENT_LENGTH, blank=True)
    request_id = ReadableCharField(_("request"), max_length=REQUEST_ID_LENGTH, blank=True)
    reason = ReadableCharField(_("reason"), max_length=REASON_LENGTH, blank=True)
    count = ReadableCountField(_("count"), default=1)
    data = ReadableObjectField(_("data"), default=dict)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)
        permissions = [("export_event", "Can export the audit trail")]
        # Each index with its query, and its size at ten million events of 340 bytes. A refresh
        # adds an entry to each index but one. No two filters share an index; see
        # `tokens.listing.events.trail`.
        indexes = [
            # The whole trail, and a range of time: 300 MB.
            models.Index(fields=["-at", "-id"], name="tokens_event_at"),
            # One kind, except refreshes: they are most of the trail, and a scan finds them. 62 MB.
            models.Index(
                fields=["kind", "-at", "-id"],
                name="tokens_event_act",
                condition=~models.Q(kind="refresh"),
            ),
            # Events about one account: 387 MB.
            models.Index(fields=["subject", "-at", "-id"], name="tokens_event_subject"),
            # Events by one account: 375 MB.
            models.Index(
                fields=["actor", "-at", "-id"],
                name="tokens_event_actor",
                condition=models.Q(actor__isnull=False),
            ),
            # The timeline of a session: 459 MB.
            models.Index(
                fields=["session_id", "-at", "-id"],
                name="tokens_event_session",
                condition=models.Q(session_id__isnull=False),
            ),
            # Events about one token; whether its reuse is recorded: 546 MB.
            models.Index(fields=["jti"], name="tokens_event_jti", condition=~models.Q(jti="")),
            # The events of one request. Refreshes are left out: they would write into another
            # index at a random place, and a request that refreshes has no other event.
            models.Index(
                fields=["request_id"],
                name="tokens_event_request",
                condition=~models.Q(request_id="") & ~models.Q(kind="refresh"),
            ),
            # Events from one address: 387 MB.
            models.Index(fields=["ip", "-at", "-id"], name="tokens_event_ip"),
        ]

    def __str__(self) -> str:
        at = f"{self.at:%Y-%m-%d %H:%M:%S}" if is_readable(self.at) else _("unreadable")
        return f"{at} {self.get_kind_display()} {self.subject_name}".rstrip()

    def get_kind_display(self) -> str:
        """Return the translated label of the kind, or the stored value of an unknown kind.

        Django's own method translates the labels of all kinds for each row.
        """
        try:
            return str(Kind(self.kind).label)
        except ValueError:
            return str(self.kind)

    @property
    def traits(self) -> Traits:
        """Return what the portal decides by the kind of this event."""
        return traits_of(self.kind)
