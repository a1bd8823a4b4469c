"""Make the links of mails, and find the row of a link.

A link is the id of a row with a signature, so the database holds nothing that opens it. It is in
the query string, which no log of the portal has.
"""

import base64
import binascii
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlencode
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.urls import NoReverseMatch, reverse
from django.utils.crypto import salted_hmac

from tokens.conf import app_settings
from tokens.db import clock
from tokens.models import Notice

PARAMETER = "link"
LASTS = timedelta(hours=72)


class Link(StrEnum):
    """Say what a link is for; the value is the name of its page among the account pages."""

    NOT_ME = "not-me"
    PASSWORD = "new-password"  # noqa: S105


class _LinkSigner(Signer):
    """Sign in base32, in which nothing looks like a token that has to be redacted."""

    def signature(self, value: str | bytes, key: str | bytes | None = None) -> str:
        mac = salted_hmac(self.salt, value, key or self.key, algorithm="sha256")
        return _encode(mac.digest())


def address(notice: Notice, link: Link) -> str:
    """Return the address of the link in a mail; empty if the project has no account pages."""
    try:
        path = reverse(f"tokens_account:{link}")
    except NoReverseMatch:
        return ""
    signed = _signer(link).sign(_encode(notice.pk.bytes))
    return f"{app_settings.PORTAL_URL.rstrip('/')}{path}?{urlencode({PARAMETER: signed})}"


def find(signed: str, link: Link) -> Notice | None:
    """Return the row of a link that can be used now.

    None if it is forged, was used, is older than `LASTS`, or its account is gone or inactive, and
    for a password if the account has one again.
    """
    try:
        key = UUID(bytes=_decode(_signer(link).unsign(signed)))
    except (BadSignature, binascii.Error, ValueError):
        return None
    since = clock.now() - LASTS
    row = Notice.objects.select_related("user").filter(
        pk=key, used_at=None, handed_over_at__gt=since
    )
    notice = row.first()
    if notice is None or not notice.user.is_active:
        return None
    if link is Link.PASSWORD and notice.user.has_usable_password():
        return None
    return notice


def take(notice: Notice) -> bool:
    """Use a link up, in the current transaction. Return False if it was used already."""
    return bool(Notice.objects.filter(pk=notice.pk, used_at=None).update(used_at=clock.now()))


def _signer(link: Link) -> Signer:
    return _LinkSigner(salt=f"tokens.notices.{link}")


def _encode(value: bytes) -> str:
    return base64.b32encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b32decode(text + "=" * (-len(text) % 8))
