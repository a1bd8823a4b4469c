from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    LOGIN = "login", _("logged in")
    LOGIN_REFUSED = "login_refused", _("login refused")
    LOGIN_LOCKED = "login_locked", _("login locked")
    LOGIN_UNLOCKED = "login_unlocked", _("login unlocked")
    REFRESH = "refresh", _("refreshed")
    REFRESH_RETRY = "refresh_retry", _("refresh retried")
    REUSE = "reuse", _("reuse")
    LOGOUT = "logout", _("logged out")
    REVOKE_TOKEN = "revoke_token", _("token revoked")
    REVOKE_SESSION = "revoke_session", _("session revoked")
    REVOKE_USER = "revoke_user", _("all of a user revoked")
    REVOKE_MATCHING = "revoke_matching", _("selection revoked")
    CUTOFF = "cutoff", _("cut-off set")
    PASSWORD_CHANGED = "password_changed", _("password changed")
    USER_DEACTIVATED = "user_deactivated", _("user deactivated")
    USER_DELETED = "user_deleted", _("user deleted")
    CLAIMS_VIEWED = "claims_viewed", _("claims viewed")
    TOKEN_INSPECTED = "token_inspected", _("token inspected")
    INTROSPECTION_REFUSED = "introspection_refused", _("introspection refused")
    PERMISSION_DENIED = "permission_denied", _("permission denied")
    EXPORTED = "exported", _("trail exported")
    PURGED = "purged", _("purged")
    KEY_ADDED = "key_added", _("signing key added")
    KEY_RETIRED = "key_retired", _("signing key retired")


class Event(models.Model):
    """One line of the audit trail. Append-only: the database itself refuses UPDATE and DELETE.

    ``actor`` and ``subject`` carry no constraint and are never nulled: the line must not change
    when the account goes. Their names are kept beside them for that day.
    """

    at = models.DateTimeField(_("when"), default=timezone.now)
    kind = models.CharField(_("kind"), max_length=24, choices=Kind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = models.CharField(max_length=254, blank=True)
    subject = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name=_("subject"),
    )
    subject_name = models.CharField(max_length=254, blank=True)
    session_id = models.UUIDField(_("session"), null=True)
    jti = models.CharField(_("jti"), max_length=255, blank=True)
    ip = models.GenericIPAddressField(_("address"), null=True, unpack_ipv4=True)
    user_agent = models.CharField(_("user agent"), max_length=512, blank=True)
    client = models.CharField(_("client"), max_length=100, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    count = models.PositiveIntegerField(_("count"), default=1)
    data = models.JSONField(_("data"), default=dict)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)
        permissions = [("export_event", "Can export the audit trail")]
        # What each answers, and its size at ten million events of 340 bytes. Every refresh writes
        # an event, and an entry into each of these but one; no two filters share an index, see
        # `tokens.selectors.events.trail`.
        indexes = [
            # The trail as it comes, and a range of time: 300 MB.
            models.Index(fields=["-at", "-id"], name="tokens_event_at"),
            # One kind. Not refreshes: they are most of the trail, and found by walking it. 62 MB.
            models.Index(
                fields=["kind", "-at", "-id"],
                name="tokens_event_act",
                condition=~models.Q(kind="refresh"),
            ),
            # All about one account: 387 MB.
            models.Index(fields=["subject", "-at", "-id"], name="tokens_event_subject"),
            # All that one account did: 375 MB.
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
            # All about one token; whether its reuse has been told: 546 MB.
            models.Index(fields=["jti"], name="tokens_event_jti", condition=~models.Q(jti="")),
            # All from one address: 387 MB.
            models.Index(fields=["ip", "-at", "-id"], name="tokens_event_ip"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.subject_name}"

    def get_kind_display(self) -> str:
        """Django's own translates every kind there is to name one, for each line of a list."""
        try:
            return str(Kind(self.kind).label)
        except ValueError:
            return self.kind
