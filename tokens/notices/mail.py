"""Build the message of a mail from its row, when it is sent."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.conf import app_settings
from tokens.jwt.invisible import CONTROLS, INVISIBLE, character_class
from tokens.listing.own_events import OwnEvent, as_owner_sees
from tokens.listing.query import Text
from tokens.listing.search import email_of
from tokens.models import Event, Notice
from tokens.models.kinds import Told
from tokens.models.readable import is_readable
from tokens.notices.language import language_of
from tokens.notices.links import Link, address

HIDDEN = re.compile(character_class((*CONTROLS, *INVISIBLE)))
NEW_PLACE = gettext_lazy("Login from a new device or network")


@dataclass(frozen=True, slots=True)
class Line:
    """Hold what a mail says about one event. Names and reasons have no invisible characters."""

    own: OwnEvent
    words: Text
    dated: bool
    reason: str
    user_agent: str


def address_of(user: AbstractBaseUser) -> str:
    """Return the address of an account, in ASCII; empty if it has none, or is deactivated.

    Django's check allows characters in quotes that would end the line of a header.
    """
    found = email_of(user)
    local, _at, domain = found.rpartition("@")
    try:
        validate_email(found)
        written = f"{local}@{domain.encode('idna').decode()}"
    except (ValidationError, UnicodeError):
        return ""
    return written if user.is_active and written.isascii() and written.isprintable() else ""


def build(notice: Notice, *, to: str) -> EmailMessage:
    """Return the message. Each attempt has the same Message-ID."""
    with translation.override(language_of(notice.user)):
        lines = _lines(notice)
        what = "password" if notice.for_password else "notice"
        context = {
            "name": _visible(notice.user.get_username()),
            "site": app_settings.SITE_TITLE,
            "lines": lines,
            # A purge may have deleted events since.
            "more": notice.left_out + len(notice.events) - len(lines),
            "link": address(notice, Link.PASSWORD if notice.for_password else Link.NOT_ME),
        }
        return EmailMessage(
            subject=f"{app_settings.SITE_TITLE}: {_subject(notice, lines)}",
            body=render_to_string(f"tokens/notices/{what}.txt", context).strip() + "\n",
            to=[to],
            headers={
                "Message-ID": f"<{notice.pk}@{urlsplit(app_settings.PORTAL_URL).hostname}>",
                # No answer by a machine comes back (RFC 3834).
                "Auto-Submitted": "auto-generated",
            },
        )


def _subject(notice: Notice, lines: list[Line]) -> str:
    if notice.for_password:
        return _("Choose a new password")
    if len(lines) == 1 and not notice.left_out:
        return str(lines[0].words)
    return _("Several things happened to your account")


def _lines(notice: Notice) -> list[Line]:
    events = Event.objects.filter(pk__in=notice.events).order_by("pk")
    return [_line(event, notice.user) for event in events]


def _line(event: Event, user: AbstractBaseUser) -> Line:
    own = as_owner_sees(event, user=user)
    return Line(
        own,
        NEW_PLACE if event.traits.told is Told.NEW_PLACE else own.words,
        is_readable(event.at),
        _visible(event.reason),
        _visible(event.user_agent),
    )


def _visible(text: str) -> str:
    return " ".join(HIDDEN.sub(" ", text).split())
