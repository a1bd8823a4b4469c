"""The entries of the revocation feed."""

from django.conf import settings
from django.db import models

from tokens.models.readable import (
    ReadableBigIntegerField,
    ReadableForeignKey,
    ReadableTimeField,
    ReadableUUIDField,
)


class FeedEntry(models.Model):
    """A revocation, for the services that verify access tokens themselves.

    It ends one session, or what was opened ``before`` an instant: everything of ``user``, or of
    everybody if that is empty. The database writes the rows, see `tokens.db.revocation_feed`, and
    `purge_tokens` deletes those that no access token outlives.

    ``transaction`` is the number of the transaction that wrote the row. Cursors of the feed need
    it, because a row appears when its transaction commits, in any order.
    """

    at = ReadableTimeField()
    transaction = ReadableBigIntegerField()
    # No constraint on the session or the user: an entry outlives both.
    session_id = ReadableUUIDField(null=True)
    user = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    before = ReadableTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            # What came since a cursor.
            models.Index(fields=["transaction", "id"], name="tokens_feed_transaction"),
            # Where the entries begin that a new reader needs; the purge.
            models.Index(fields=["at"], name="tokens_feed_at"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} {self.session_id or self.user_id or 'everybody'}"
