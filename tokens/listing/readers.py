"""Read a filter's value from text: the form of a page, the admin and the commands share it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from tokens.listing.query import FilterType
from tokens.listing.search import as_network, as_uuid, user_key

DIGITS = re.compile(r"[0-9]{1,19}")
BIGGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reader:
    """Describe how the values of one type are written.

    ``read`` returns None for text that is no such value, and ``error`` says so. ``metavar`` names
    the value in the help of a command.
    """

    read: Callable[[str], object]
    error: Promise
    metavar: str


def as_number(text: str) -> int | None:
    """Return ``text`` as a whole number from 0 that a column can store; None if it isn't one."""
    text = text.strip()
    number = int(text) if DIGITS.fullmatch(text) else None
    return None if number is None or number > BIGGEST else number


NUMBER = Reader(as_number, gettext_lazy("This is not a whole number."), "NUMBER")
SESSION = Reader(as_uuid, gettext_lazy("This is not a session's id."), "SID")
ACCOUNT = Reader(user_key, gettext_lazy("There is no such account."), "USER_ID")
ADDRESS = Reader(
    as_network,
    gettext_lazy("This is neither an address nor a network such as 203.0.113.0/24."),
    "ADDRESS",
)
# The types whose text is read in the same way everywhere.
READERS = {
    FilterType.NUMBER: NUMBER,
    FilterType.SESSION: SESSION,
    FilterType.ADDRESS: ADDRESS,
}
