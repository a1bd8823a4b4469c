"""Declare the filters and columns of each list once.

A list is a subclass of `ListQuery`: a frozen dataclass whose fields are the list's filters. The
page's form, the API's parameters and their documentation, the admin's filters, the options of the
commands, the review of a revocation and the stored form of a job are all built from these
declarations. Its ``columns`` are what the table of the page, the admin, the API and the exports
show of each row. An instance holds the values of one request; `listing` pages through its rows.
"""

import json
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from tokens.jwt.redaction import redact_text
from tokens.listing.columns import Column, Place
from tokens.listing.pagination import Listing
from tokens.listing.periods import FUTURE, PAST, Limits, Period
from tokens.models.readable import EARLIEST, LATEST

M = TypeVar("M", bound=Model, covariant=True)
T = TypeVar("T")
Text = str | Promise
# The values of filters by name, each of the type that its filter reads.
Chosen = dict[str, Any]
Names = Mapping[str, str]
# How many users are named in words; the others become "…".
NAMED = 5
# Hexadecimal digits: enough to notice a mistake. A cursor grants nothing, so it proves nothing.
MARK = 8


class FilterType(StrEnum):
    """The type of a filter's value.

    It decides how a form, the API, the admin and a command read the value.
    """

    SEARCH = "search"
    CHOICE = "choice"
    TEXT = "text"
    NUMBER = "number"
    INSTANT = "instant"
    PERIOD = "period"
    ADDRESS = "address"
    USER = "user"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Describe one filter of a list.

    ``words`` describes a chosen value in a sentence ("of %s"), and ``any_label`` the absence of a
    choice. ``help`` describes the value in the API and for commands, and ``max_length`` limits a
    text. ``lookup`` is the lookup on the session that the filter adds, such as
    ``user_agent__icontains``, and ``indexed`` says whether an index finds its rows. An instant
    or a period names the range that it limits. ``future`` ranges lie ahead. The choices of a period
    are those of `tokens.listing.periods`. ``admin_only`` filters appear in the admin alone.
    """

    type: FilterType
    label: Text
    words: Text
    help: str = ""
    choices: tuple[tuple[str, Text], ...] = ()
    any_label: Text = ""
    max_length: int | None = None
    lookup: str = ""
    indexed: bool = True
    range: str = ""
    future: bool = False
    admin_only: bool = False

    def __post_init__(self) -> None:
        if self.type is FilterType.PERIOD:
            choices = tuple((name, period.label) for name, period in self.periods.items())
            object.__setattr__(self, "choices", choices)
            object.__setattr__(self, "any_label", gettext_lazy("Any time"))

    @property
    def periods(self) -> dict[str, Period]:
        """Return the relative ranges that can be chosen."""
        return FUTURE if self.future else PAST

    def shown(self, value: object, *, names: Names | None = None) -> str:
        """Return ``value`` as text for a person, in the current language and time zone.

        See `user_names` for ``names``.
        """
        if isinstance(value, datetime):
            return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
        if self.type is FilterType.USER:
            return user_names(value if isinstance(value, tuple) else (value,), names=names)
        if self.choices:
            return str(dict(self.choices).get(str(value), value))
        return str(value)


def declare(default: T, /, **description: Any) -> T:
    """Declare a dataclass field that is a filter; see `Filter` for the description."""
    declared: T = field(default=default, metadata={"filter": Filter(**description)})
    return declared


def is_chosen(value: object) -> bool:
    """Return whether a filter has a value. Zero and False are values like any other."""
    return value not in (None, "", (), [])


def user_names(keys: tuple[object, ...], *, names: Names | None = None) -> str:
    """Return the names of the first `NAMED` users; a user who is gone is shown by key.

    ``names`` are names by key that were kept, which are used instead of the accounts.
    """
    known = named_users(keys) if names is None else names
    shown = [known.get(str(key), str(key)) for key in keys[:NAMED]]
    return ", ".join([*shown, "…"] if len(keys) > NAMED else shown)


def named_users(keys: tuple[object, ...]) -> dict[str, str]:
    """Return the names of the first `NAMED` users, by key as text."""
    users = get_user_model()._default_manager
    try:
        named = list(users.filter(Q(pk__in=keys[:NAMED])))
    except (ValueError, OverflowError, ValidationError):
        # An invalid form shows the text that was typed, which may be no key at all.
        named = []
    return {str(user.pk): user.get_username() for user in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery(Generic[M]):
    """One list with the chosen value of each filter.

    All filters must hold. A row is in the list exactly if `listing` shows it on one of its
    pages.

    ``unsatisfiable`` marks a query whose input made no sense: it selects nothing.
    """

    noun: ClassVar[Text]
    columns: ClassVar[tuple[Column, ...]] = ()
    unsatisfiable: bool = False

    def __post_init__(self) -> None:
        """Redact tokens in what was typed: a query is shown, recorded and stored.

        A search for spaces alone is no search. An unknown period selects nothing.
        """
        for name, declared in self.filters().items():
            if declared.type is FilterType.PERIOD and getattr(self, name) not in (
                "",
                *declared.periods,
            ):
                object.__setattr__(self, "unsatisfiable", True)
            if isinstance(text := getattr(self, name), str):
                text = text.strip() if declared.type is FilterType.SEARCH else text
                object.__setattr__(self, name, redact_text(text))

    @classmethod
    def none(cls) -> Self:
        """Return a query that selects nothing."""
        return cls(unsatisfiable=True)

    @classmethod
    def filters(cls) -> dict[str, Filter]:
        """Return the filters by name, in their order on a page."""
        declared = [one for one in fields(cls) if "filter" in one.metadata]
        return {one.name: one.metadata["filter"] for one in declared}

    @classmethod
    def columns_on(cls, place: Place) -> tuple[Column, ...]:
        """Return the columns that ``place`` shows."""
        return tuple(column for column in cls.columns if place in column.on)

    @abstractmethod
    def listing(self) -> Listing[M]:
        """Return the rows, to be paged through."""

    @property
    def mark(self) -> str:
        """Return what differs between lists, and between the filters of a list, for cursors."""
        described = json.dumps([type(self).__name__, self.as_json()], sort_keys=True)
        return sha256(described.encode()).hexdigest()[:MARK]

    def chosen(self) -> Chosen:
        """Return the values of the filters that are set. Each of them narrows the list."""
        values = {name: getattr(self, name) for name in self.filters()}
        return {name: value for name, value in values.items() if is_chosen(value)}

    def limits(self, name: str) -> Limits:
        """Return the two limits of a range, either of them None.

        A relative range and exact limits must hold together.
        """
        given = {f: d for f, d in self.filters().items() if d.range == name}
        ends = {_side(filter_name): getattr(self, filter_name) for filter_name in given}
        after, before = ends.get("after"), ends.get("before")
        for filter_name, declared in given.items():
            if declared.type is FilterType.PERIOD:
                period = declared.periods.get(getattr(self, filter_name))
                since, until = period.limits() if period else (None, None)
                after = max(filter(None, (after, since)), default=None)
                before = min(filter(None, (before, until)), default=None)
        return after, before

    def pinned(self) -> Self:
        """Return the query with exact limits for its relative ranges, which move with the time."""
        filters = self.filters()
        exact: Chosen = {}
        for name in self.chosen():
            if filters[name].type is FilterType.PERIOD:
                stem = name.removesuffix("within")
                limits = self.limits(filters[name].range)
                exact |= {name: "", f"{stem}after": limits[0], f"{stem}before": limits[1]}
        return replace(self, **exact) if exact else self

    def labelled_parts(self) -> list[tuple[str, str]]:
        """Return label and value of each filter that is set, for a person."""
        filters = self.filters()
        return [
            (str(filters[name].label), filters[name].shown(value))
            for name, value in self.chosen().items()
        ]

    def in_words(self, *, names: Names | None = None) -> str:
        """Describe the query in one line: "sessions of bob from 203.0.113.7".

        See `user_names` for ``names``.
        """
        filters = self.filters()
        parts = [
            str(filters[name].words) % filters[name].shown(value, names=names)
            for name, value in self.chosen().items()
        ]
        return " ".join([str(self.noun), *parts])

    def as_json(self) -> dict[str, object]:
        """Return the filters that are set, for a JSON column."""
        stored = {name: _to_json(value) for name, value in self.chosen().items()}
        return stored | {"unsatisfiable": True} if self.unsatisfiable else stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_json` returned.

        A filter that no longer exists is an error: without it the query would select more.
        """
        filters = cls.filters()
        values = dict(stored)
        unsatisfiable = bool(values.pop("unsatisfiable", False))
        read = {name: _from_json(filters[name], value) for name, value in values.items()}
        return cls(**read, unsatisfiable=unsatisfiable)


def _side(name: str) -> str:
    """Return which end of its range a filter limits: after, before, or within for both."""
    return name.rpartition("_")[2]


def _to_json(value: object) -> object:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def _from_json(declared: Filter, value: Any) -> object:
    if declared.type is FilterType.INSTANT:
        return aware(value)
    if declared.type is FilterType.SESSION:
        return uuid.UUID(value)
    if declared.type is FilterType.USER:
        is_list = isinstance(value, list)
        return tuple(map(as_user_key, value)) if is_list else as_user_key(value)
    wanted = int if declared.type is FilterType.NUMBER else str
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r} is not of the type of its filter.")
    if declared.choices and value not in dict(declared.choices):
        raise ValueError(f"{value!r} is no choice.")
    return value


def aware(stored: str) -> datetime:
    """Return a stored instant, which has a time zone. Raises `ValueError` or `TypeError`."""
    instant = datetime.fromisoformat(stored)
    if instant.tzinfo is None or not EARLIEST < instant < LATEST:
        raise ValueError(f"{stored!r} is no instant.")
    return instant


def as_user_key(stored: object) -> Any:
    """Return the stored key of a user. Raises `ValidationError` or `TypeError`."""
    if not isinstance(stored, str) and type(stored) is not int:
        raise TypeError(f"{stored!r} is no key.")
    field = get_user_model()._meta.pk
    key = field.to_python(stored)
    field.run_validators(key)
    return key
