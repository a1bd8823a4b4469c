"""Refused calls, to be looked up by their request id."""

from django.conf import settings
from django.db import models

from tokens.models.lengths import JTI_LENGTH, NAME_LENGTH, REASON_LENGTH, REQUEST_ID_LENGTH
from tokens.models.readable import (
    ReadableAddressField,
    ReadableCharField,
    ReadableCountField,
    ReadableForeignKey,
    ReadableTimeField,
    ReadableUUIDField,
)
from tokens.origin import CLIENT_LENGTH, USER_AGENT_LENGTH


class Refusal(models.Model):
    """A call whose token was refused: which check failed, for which account, when and from where.

    ``slot`` is a random number below a fixed one, and a new refusal replaces the row that has it.
    So no client can make the table grow. The user and the session are only those of tokens with a
    valid signature.
    """

    slot = ReadableCountField(primary_key=True)
    request_id = ReadableCharField(max_length=REQUEST_ID_LENGTH, db_index=True)
    at = ReadableTimeField(db_index=True)
    check_name = ReadableCharField(max_length=16)
    why = ReadableCharField(max_length=REASON_LENGTH, blank=True)
    token_type = ReadableCharField(max_length=16, blank=True)
    user = ReadableForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    username = ReadableCharField(max_length=NAME_LENGTH, blank=True)
    session_id = ReadableUUIDField(null=True)
    jti = ReadableCharField(max_length=JTI_LENGTH, blank=True)
    ip = ReadableAddressField(null=True, unpack_ipv4=True)
    user_agent = ReadableCharField(max_length=USER_AGENT_LENGTH, blank=True)
    client = ReadableCharField(max_length=CLIENT_LENGTH, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.request_id}: {self.check_name}"
