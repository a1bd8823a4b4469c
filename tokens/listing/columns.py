"""Describe the columns of a list, which its table, the admin and the API show."""

from dataclasses import KW_ONLY, dataclass
from enum import Flag, StrEnum, auto
from operator import attrgetter

from django.core.exceptions import ObjectDoesNotExist
from django.utils.functional import Promise


class Place(Flag):
    """A place that shows a list's columns. All places keep the order of the declaration."""

    TABLE = auto()  # the table of the staff pages
    PAGE = auto()  # the staff page of one row
    ADMIN = auto()  # the admin's list
    ADMIN_PAGE = auto()  # the admin's page of one row
    API = auto()  # the API, and exports


TABLE, PAGE, ADMIN, ADMIN_PAGE, API = Place


class ColumnType(StrEnum):
    """The type of a column's value. It decides how each place shows the value."""

    TEXT = "text"
    CHOICE = "choice"
    INTEGER = "integer"
    COUNT = "count"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    UUID = "uuid"
    ACCOUNT_KEY = "account_key"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list.

    ``path`` is the dotted attribute that holds the value; the default is ``name``. ``cell`` names
    a renderer of `tokens.templatetags.list_cells`; the default is the one of the type. ``heads``
    makes the column the first of a table and the heading of each row. ``null``, ``choices``,
    ``help`` and ``example`` describe the value in the API.
    """

    name: str
    on: Place
    _: KW_ONLY
    type: ColumnType = ColumnType.TEXT
    label: str | Promise = ""
    path: str = ""
    cell: str = ""
    heads: bool = False
    null: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    example: object = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path or self.name)
        object.__setattr__(self, "cell", self.cell or self.type)

    def value(self, row: object) -> object:
        """Return the value in ``row``; None if a row on the path to it doesn't exist."""
        try:
            return attrgetter(self.path)(row)
        except ObjectDoesNotExist:
            return None


# The user that a session or a token belongs to, in the API.
USER_ID = Column(
    "user_id",
    API,
    type=ColumnType.ACCOUNT_KEY,
    null=True,
    help="null: the account is gone",
    example=7,
)
# The latest address and user agent of a session, or those that an event came from.
IP = Column("ip", ADMIN | ADMIN_PAGE | API, null=True, help="IPv4 or IPv6", example="192.0.2.7")
USER_AGENT = Column("user_agent", ADMIN_PAGE | API, example="Mozilla/5.0 …")
