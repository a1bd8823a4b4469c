"""Sessions and their tokens."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models.lengths import DEVICE_NAME_LENGTH, NAME_LENGTH, REASON_LENGTH
from tokens.models.readable import (
    ReadableAddressField,
    ReadableCharField,
    ReadableCountField,
    ReadableForeignKey,
    ReadableTimeField,
)
from tokens.origin import CLIENT_LENGTH, USER_AGENT_LENGTH


class Session(models.Model):
    """One login on one device: the chain of refresh tokens that starts there.

    ``current`` is the only token of the chain that may be rotated. ``previous`` is the token
    that it replaced at ``rotated_at``; the grace needs both.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        # The index `tokens_session_mine` begins with this column.
        db_index=False,
        related_name="token_sessions",
        verbose_name=_("user"),
    )
    # A copy of the name, for the time after the account is deleted.
    username = ReadableCharField(_("user name"), max_length=NAME_LENGTH)
    # A digest of the password hash at login. However the password is changed, plain SQL
    # included, the session ends at its next use.
    password_mark = ReadableCharField(max_length=32)
    created_at = ReadableTimeField(_("created"))
    last_used_at = ReadableTimeField(_("last used"))
    expires_at = ReadableTimeField(_("expires"))
    # When the current token expires, which ends the session unless it is used again. It is
    # copied here because no index for "active" and "expired" can span two tables.
    ends_at = ReadableTimeField(_("ends unless used"), null=True)
    ip = ReadableAddressField(_("address"), null=True, unpack_ipv4=True)
    user_agent = ReadableCharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    client = ReadableCharField(_("client"), max_length=CLIENT_LENGTH, blank=True)
    # The name that the owner gave the device.
    name = ReadableCharField(
        _("name"), max_length=DEVICE_NAME_LENGTH, blank=True, default="", db_default=""
    )
    rotations = ReadableCountField(_("rotations"), default=0)
    current = models.OneToOneField(
        "token_blacklist.OutstandingToken",
        on_delete=models.SET_NULL,
        null=True,
        related_name="current_of",
        verbose_name=_("current token"),
    )
    # Only compared, never followed. A constraint would make the database search all sessions
    # for each purged token and each deleted account.
    previous = ReadableForeignKey(
        "token_blacklist.OutstandingToken",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        db_index=False,
    )
    rotated_at = ReadableTimeField(_("rotated"), null=True)
    revoked_at = ReadableTimeField(_("revoked"), null=True)
    revoked_by = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("revoked by"),
    )
    revoked_by_name = ReadableCharField(_("revoked by"), max_length=NAME_LENGTH, blank=True)
    revoke_reason = ReadableCharField(_("reason"), max_length=REASON_LENGTH, blank=True)

    # `tokens.listing.sessions.add_origins` sets these.
    seen: "list[SessionOrigin]"
    earlier: list[str]

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ("view",)
        permissions = [
            ("revoke_token", "Can revoke tokens, sessions and all tokens of a user"),
            ("revoke_superuser", "Can revoke the sessions of superusers"),
            ("inspect_token", "Can inspect a pasted token"),
            ("introspect_token", "Can introspect tokens through the API (RFC 7662)"),
        ]
        # Sizes on PostgreSQL at ten million tokens of a million sessions. Every refresh writes
        # to each index. A revocation writes to none, which makes it cheap (a heap-only update):
        # no index or condition may use a column that a revocation sets, and the table's
        # fillfactor is 80.
        indexes = [
            # The list, latest use first; tokens by a column of their session. 39 MB.
            models.Index(fields=["-last_used_at", "-id"], name="tokens_session_used"),
            # The sessions of one user in the order of the list, without sorting 5,000; revoking
            # all of them. 47 MB.
            models.Index(fields=["user", "-last_used_at", "-id"], name="tokens_session_mine"),
            # Sessions from one address. 30 MB.
            models.Index(fields=["ip", "-last_used_at"], name="tokens_session_ip"),
            # Sessions of one client, if it has a name. 13 MB.
            models.Index(
                fields=["client", "-last_used_at"],
                name="tokens_session_client",
                condition=~models.Q(client=""),
            ),
            # By the time of login: the filter, cutoffs, users with many new sessions. 39 MB.
            models.Index(fields=["-created_at", "-id"], name="tokens_session_opened"),
            # By the absolute end: the filter and the purge. 21 MB.
            models.Index(fields=["expires_at"], name="tokens_session_expires"),
            # Active and expired sessions and tokens; the number of live sessions. 39 MB.
            models.Index(fields=["-ends_at", "-id"], name="tokens_session_until"),
        ]

    def __str__(self) -> str:
        return f"{self.username} {self.id}"


class SessionToken(models.Model):
    """The session of an outstanding token.

    This is a table because simplejwt's table has no column for it, and other services share
    that table.
    """

    token = models.OneToOneField(
        "token_blacklist.OutstandingToken",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="membership",
    )
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.token_id} of {self.session_id}"


class RevokedSession(models.Model):
    """A revoked session. Lists of revoked sessions and tokens read these rows, in order.

    `Session.revoked_at` is the truth. An index on that column would make every revocation write
    to all other indexes of sessions.
    """

    # No constraint and no index: each would cost a bulk revocation a tenth more time.
    # `purge_tokens` removes the rows of sessions that are gone.
    session = ReadableForeignKey(
        Session,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="revocations",
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.pk} {self.session_id}"


class SessionOrigin(models.Model):
    """An address and device that a session was seen at.

    The database writes these rows when a session's address or device changes, see
    `tokens.db.session_origins`. A session that never moved has none, so that a login and most
    refreshes write nothing here; `Session` holds its latest address.
    """

    # No constraint: a trigger deletes the rows with their session.
    session = ReadableForeignKey(
        Session, on_delete=models.DO_NOTHING, db_constraint=False, related_name="origins"
    )
    ip = ReadableAddressField(_("address"), unpack_ipv4=True)
    user_agent = ReadableCharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    first_seen_at = ReadableTimeField(_("first seen"))
    last_seen_at = ReadableTimeField(_("last seen"))

    class Meta:
        default_permissions = ()
        # The sessions that were seen at an address, or in a network.
        indexes = [models.Index(fields=["ip", "session"], name="tokens_origin_ip")]

    def __str__(self) -> str:
        return f"{self.session_id} {self.ip}"
