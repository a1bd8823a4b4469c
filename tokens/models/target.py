"""Sessions and users that an act upon many ended."""

from django.conf import settings
from django.db import models

from tokens.models.readable import (
    ReadableCountField,
    ReadableForeignKey,
    ReadableUUIDField,
)


class EventTarget(models.Model):
    """A session that an act upon many ended, with its user.

    ``session_id`` is empty if the act ended tokens of the user that belong to no session, and
    ``user`` if the account was gone. The rows of an event are numbered from 1. The event holds
    their number and digest, so the seal of the event covers them: see `tokens.audit.targets`.
    Append-only, like the events; they leave the trail together.
    """

    pk = models.CompositePrimaryKey("event_id", "number")
    # None of these columns has a constraint: a row must not change when its account or session is
    # deleted, and checking a million rows would slow a revocation down.
    event = ReadableForeignKey(
        "tokens.Event",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="targets",
    )
    number = ReadableCountField()
    session_id = ReadableUUIDField(null=True)
    user = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )

    class Meta:
        default_permissions = ()
        indexes = [
            # The events of a session. A batch inserts its sessions in this order.
            models.Index(fields=["session_id"], name="tokens_target_session"),
            # The events of a user.
            models.Index(fields=["user", "event"], name="tokens_target_user"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}.{self.number} {self.session_id}"
