import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Session(models.Model):
    """One login on one device: the chain of refresh tokens that descends from it.

    ``current`` is the only token of the chain that may be rotated; ``previous`` the one it
    replaced at ``rotated_at``, which is all that the grace needs to know.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        # `tokens_session_mine` begins with it.
        db_index=False,
        related_name="token_sessions",
        verbose_name=_("user"),
    )
    # Kept as text too, so that the row still reads when the account is gone.
    username = models.CharField(_("user name"), max_length=254)
    # A digest of the password hash the login was made with: a password changed by any road,
    # plain SQL included, ends the session at its next use.
    password_mark = models.CharField(max_length=32)
    created_at = models.DateTimeField(_("created"))
    last_used_at = models.DateTimeField(_("last used"))
    expires_at = models.DateTimeField(_("expires"))
    # When the current token expires: the session's end unless it is used again. Kept here
    # because "active" and "expired" could have no index across two tables.
    ends_at = models.DateTimeField(_("ends unless used"), null=True)
    ip = models.GenericIPAddressField(_("address"), null=True, unpack_ipv4=True)
    user_agent = models.CharField(_("user agent"), max_length=512, blank=True)
    client = models.CharField(_("client"), max_length=100, blank=True)
    rotations = models.PositiveIntegerField(_("rotations"), default=0)
    current = models.OneToOneField(
        "token_blacklist.OutstandingToken",
        on_delete=models.SET_NULL,
        null=True,
        related_name="current_of",
        verbose_name=_("current token"),
    )
    # Compared with, never followed: no constraint, or each purged token and each deleted
    # account would be looked for in all sessions.
    previous = models.ForeignKey(
        "token_blacklist.OutstandingToken",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        db_index=False,
    )
    rotated_at = models.DateTimeField(_("rotated"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("revoked by"),
    )
    revoked_by_name = models.CharField(max_length=254, blank=True)
    revoke_reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ("view",)
        permissions = [
            ("revoke_token", "Can revoke tokens, sessions and all tokens of a user"),
            ("inspect_token", "Can inspect a pasted token"),
            ("introspect_token", "Can introspect tokens through the API (RFC 7662)"),
        ]
        # Sizes on PostgreSQL at ten million tokens of a million sessions. Every refresh writes
        # into all of them, so each has to earn it. A revocation writes into none, which is what
        # makes it cheap (a heap-only update): no column that it sets may be in one, or in the
        # condition of one, and the pages of the table are filled to four fifths.
        indexes = [
            # The list, newest use first; tokens by what their session says. 39 MB.
            models.Index(fields=["-last_used_at", "-id"], name="tokens_session_used"),
            # One person's sessions in the order of the list, without a sort of 5,000; the end of
            # all of them. 47 MB.
            models.Index(fields=["user", "-last_used_at", "-id"], name="tokens_session_mine"),
            # Of one address; 30 MB.
            models.Index(fields=["ip", "-last_used_at"], name="tokens_session_ip"),
            # Of one client, only where one is named; 13 MB.
            models.Index(
                fields=["client", "-last_used_at"],
                name="tokens_session_client",
                condition=~models.Q(client=""),
            ),
            # By the time of login: the filter, cut-offs, users with many of the newest. 39 MB.
            models.Index(fields=["-created_at", "-id"], name="tokens_session_opened"),
            # By the absolute end: the filter, and the purge. 21 MB.
            models.Index(fields=["expires_at"], name="tokens_session_expires"),
            # Active and expired, tokens too; the number of live sessions. 39 MB.
            models.Index(fields=["-ends_at", "-id"], name="tokens_session_until"),
        ]

    def __str__(self) -> str:
        return f"{self.username} {self.id}"


class SessionToken(models.Model):
    """Which session an outstanding token belongs to. A table of our own, because simplejwt's
    has no room for it and other services share that one."""

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
    """The sessions that were revoked, in the order in which they were: what the lists of the
    revoked walk. `Session.revoked_at` is the truth; an index on it would have every revocation
    write into all the other indexes of sessions too."""

    # No constraint and no index, for each costs a bulk revocation a tenth. A row whose session
    # is gone leads nowhere, and `purge_tokens` takes it away.
    session = models.ForeignKey(
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
