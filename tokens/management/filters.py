"""The options of a command that narrow a list, built from the list's declaration."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any, assert_never

from django.core.management.base import CommandParser
from django.db.models import Model

from tokens.listing.query import Chosen, Filter, FilterType, ListQuery, is_chosen
from tokens.listing.readers import ACCOUNT, READERS, Reader
from tokens.management.base import parse_instant


def add_filters(
    parser: CommandParser, query: type[ListQuery[Model]], *, without: tuple[str, ...] = ()
) -> None:
    """Add an option for each filter: ``--issued-after`` for ``issued_after``."""
    for name, declared in query.filters().items():
        if name not in without and not declared.admin_only:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, **_options(declared))


def read_filters(query: type[ListQuery[Model]], options: Mapping[str, object]) -> Chosen:
    """Return the values of the options that were given."""
    given = {name: options.get(name) for name in query.filters()}
    return {name: value for name, value in given.items() if is_chosen(value)}


def _options(declared: Filter) -> dict[str, Any]:
    options: dict[str, Any] = {"help": declared.help or None}
    match declared.type:
        case FilterType.CHOICE | FilterType.PERIOD:
            return options | {"choices": [value for value, _label in declared.choices]}
        case FilterType.INSTANT:
            return options | {"type": parse_instant, "metavar": "INSTANT"}
        case FilterType.SESSION | FilterType.NUMBER | FilterType.ADDRESS:
            return options | reading(READERS[declared.type])
        case FilterType.USER:
            return options | reading(ACCOUNT)
        case FilterType.SEARCH | FilterType.TEXT:
            return options | {"type": text}
        case _:
            assert_never(declared.type)


def text(given: str) -> str:
    """Read a text. An empty one is an error: without the filter, a command selects more."""
    if not given.strip():
        raise ArgumentTypeError("the text is empty.")
    return given


def reading(reader: Reader) -> dict[str, Any]:
    """Return the part of an option's description that reads its value."""

    def read(given: str) -> object:
        value = reader.read(given)
        if value is None:
            raise ArgumentTypeError(f"{given!r}: {reader.error}")
        return value

    return {"type": read, "metavar": reader.metavar}
