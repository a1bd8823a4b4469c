"""Read the values of one database, and write them for the other.

Between the two, a value is a number, a text, bytes or None, the same whichever database it comes
from. So a row that was copied compares equal with its source. A value that one of the databases
can't hold is refused, and never changed.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeAlias

from tokens.db.printable import is_printable

Value: TypeAlias = int | float | str | bytes | None
# A UUID as Django writes it for SQLite.
HEXADECIMAL = re.compile(r"[0-9a-f]{32}")


class Unmovable(Exception):
    """Say in a few words what is wrong with a value."""


class Undecodable(bytes):
    """A text of SQLite that is not UTF-8."""


def decode(raw: bytes) -> str | Undecodable:
    """Decode a text of SQLite. Its driver would raise an error that doesn't name the row."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Undecodable(raw)


@dataclass(frozen=True, slots=True)
class Kind:
    """Say how the two databases hold one type.

    ``from_sqlite`` gets what SQLite stores, and ``from_postgresql`` the text that PostgreSQL prints
    for the SQL that ``select`` returns. ``to_postgresql`` returns what PostgreSQL reads. SQLite
    stores the value as it is. ``same`` makes values equal that are spelled in different ways.
    """

    from_sqlite: Callable[[Any], Value]
    from_postgresql: Callable[[str], Value]
    to_postgresql: Callable[[Any], Any] = lambda value: value
    select: Callable[[str], str] = lambda column: column
    same: Callable[[Any], Value] | None = None


def _integer(lowest: int, highest: int) -> Kind:
    def from_sqlite(stored: Any) -> int:
        if type(stored) is not int:
            raise Unmovable("is no whole number")
        if not lowest <= stored <= highest:
            raise Unmovable("is a number out of range")
        return stored

    return Kind(from_sqlite, int)


def _text(length: int | None) -> Kind:
    def from_sqlite(stored: Any) -> str:
        text = _decoded(stored)
        if length is not None and len(text) > length:
            raise Unmovable(f"is longer than {length} characters")
        if "\0" in text:
            raise Unmovable("has a NUL character")
        return text

    return Kind(from_sqlite, str)


def _decoded(stored: Any) -> str:
    if type(stored) is not str:
        raise Unmovable("is no text in UTF-8")
    return stored


def _boolean(stored: Any) -> int:
    if type(stored) is not int or stored not in (0, 1):
        raise Unmovable("is neither true nor false")
    return stored


def _uuid(stored: Any) -> str:
    if not HEXADECIMAL.fullmatch(text := _decoded(stored)):
        raise Unmovable("is no UUID")
    return text


@lru_cache(maxsize=4096)
def _address(stored: Any) -> str:
    try:
        address = _decoded(stored)
        # PostgreSQL has no zones.
        if "%" in address:
            raise ValueError(address)
        ip_address(address)
    except ValueError as error:
        raise Unmovable("is no IP address") from error
    return address


@lru_cache(maxsize=4096)
def _packed(address: str) -> str:
    return ip_address(address).packed.hex()


def _instant(stored: Any) -> str:
    """Return a time as Django writes it for SQLite, in UTC."""
    try:
        at = datetime.fromisoformat(_decoded(stored))
        return str(at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None))
    except (ValueError, OverflowError) as error:
        raise Unmovable("is no time") from error


def _day(stored: Any) -> str:
    try:
        return str(date.fromisoformat(_decoded(stored)))
    except ValueError as error:
        raise Unmovable("is no date") from error


def _time_of_day(stored: Any) -> str:
    try:
        return str(time.fromisoformat(_decoded(stored)))
    except ValueError as error:
        raise Unmovable("is no time of day") from error


def _json(stored: Any) -> str:
    """Return JSON as Django writes it, with sorted members: PostgreSQL doesn't keep their order."""
    if stored == "{}":
        return "{}"
    try:
        value = _DECODER.decode(_decoded(stored))
        text = _ENCODER.encode(value)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Unmovable("is no JSON that both databases hold") from error
    # PostgreSQL refuses this character. Behind an even number of backslashes it is one.
    if "\\u0000" in text.replace("\\\\", ""):
        raise Unmovable("is JSON with a NUL character")
    return text


def _printable_json(column: str) -> str:
    """Return SQL that is no JSON in place of a value that PostgreSQL can't print."""
    printed = f"WHEN {is_printable(column)} THEN {column}::text"
    return f"CASE {printed} WHEN {column} IS NOT NULL THEN '' END"


def _no_number(text: str) -> object:
    raise ValueError(text)


def _finite_of_text(text: str) -> float:
    return _finite(float(text))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("it is infinite, or no number")
    return number


_DECODER = json.JSONDecoder(parse_float=_finite_of_text, parse_constant=_no_number)
_ENCODER = json.JSONEncoder(sort_keys=True)


def _float(stored: Any) -> float:
    if type(stored) not in (int, float) or not math.isfinite(stored):
        raise Unmovable("is no number")
    return float(stored)


def _bytes(stored: Any) -> bytes:
    if type(stored) is not bytes:
        raise Unmovable("is no binary value")
    return stored


def _decimal(places: int) -> Kind:
    def exact(stored: Any) -> str:
        try:
            if type(stored) not in (int, float, str):
                raise ValueError(stored)
            # SQLite keeps 15 digits.
            number = Decimal(format(stored, ".15g") if type(stored) is float else stored)
            return str(number.quantize(Decimal(1).scaleb(-places)))
        except (ValueError, InvalidOperation) as error:
            raise Unmovable("is no decimal number") from error

    return Kind(exact, exact)


LARGE = _integer(-(2**63), 2**63 - 1)
KINDS = {
    "smallint": _integer(-(2**15), 2**15 - 1),
    "integer": _integer(-(2**31), 2**31 - 1),
    "bigint": LARGE,
    "boolean": Kind(_boolean, lambda text: int(text == "t"), bool),
    "text": _text(None),
    "uuid": Kind(_uuid, lambda text: text.replace("-", "")),
    "inet": Kind(_address, _address, same=_packed),
    "timestamp with time zone": Kind(
        _instant, _instant, "{}+00".format, select="{} AT TIME ZONE 'UTC'".format
    ),
    "date": Kind(_day, _day),
    "time": Kind(_time_of_day, _time_of_day),
    "jsonb": Kind(_json, _json, select=_printable_json),
    "bytea": Kind(_bytes, lambda text: bytes.fromhex(text[2:])),
    "double precision": Kind(_float, lambda text: _float(float(text))),
    "interval": Kind(
        LARGE.from_sqlite,
        int,
        "{} microseconds".format,
        select="(extract(epoch FROM {}) * 1000000)::bigint".format,
    ),
}


def kind_of(db_type: str) -> Kind | None:
    """Return the kind of a column, from its type in PostgreSQL; None if it is unknown."""
    name, _bracket, rest = db_type.partition("(")
    numbers = [int(part) for part in rest.rstrip(")").split(",") if part.strip().isdecimal()]
    if name in ("varchar", "char"):
        return _text(numbers[0] if numbers else None)
    if name == "numeric" and len(numbers) == 2:
        return _decimal(numbers[1])
    return KINDS.get(db_type)
