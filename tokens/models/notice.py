"""Mails to the owners of accounts."""

import uuid

from django.conf import settings
from django.db import models

from tokens.db import clock
from tokens.models.readable import (
    ReadableBooleanField,
    ReadableCharField,
    ReadableCountField,
    ReadableListField,
    ReadableTimeField,
)


class NoticeState(models.TextChoices):
    """Say how far a mail is. One that is `HANDED_OVER` was sent in full, and has no answer yet."""

    WAITING = "waiting"
    HANDED_OVER = "handed_over"
    SENT = "sent"
    FAILED = "failed"


class Notice(models.Model):
    """A mail to the owner of an account: about events of the trail, or to choose a new password.

    Its id is the local part of the Message-ID, and what the link in it signs. The row holds no
    link and no text: both are made when the mail is sent (`tokens.notices`).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # The ids of the events that it lists.
    events = ReadableListField(default=list)
    # How many more events there were than a mail lists.
    left_out = ReadableCountField(default=0)
    only_logins = ReadableBooleanField(default=False)
    # Its link lets the owner choose a password. It is about no event.
    for_password = ReadableBooleanField(default=False)
    state = ReadableCharField(max_length=16, choices=NoticeState, default=NoticeState.WAITING)
    created_at = ReadableTimeField(default=clock.now)
    # When it may be sent, or tried again. An attempt moves it, so that no other process tries too.
    due_at = ReadableTimeField(default=clock.now)
    attempts = ReadableCountField(default=0)
    error = ReadableCharField(max_length=200, blank=True)
    # When it was sent, in full: its link lasts from then on. When the link was used.
    handed_over_at = ReadableTimeField(null=True)
    used_at = ReadableTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["state", "due_at"], name="tokens_notice_due"),
            models.Index(fields=["user", "created_at"], name="tokens_notice_user"),
        ]

    def __str__(self) -> str:
        return f"{self.id} to {self.user_id}, {self.state}"


class NoticeLanguage(models.Model):
    """The language in which an account gets its mails."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        # A row that outlives its user is of no use, and must not keep the account.
        db_constraint=False,
        primary_key=True,
        related_name="+",
    )
    code = ReadableCharField(max_length=16)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.code}"
