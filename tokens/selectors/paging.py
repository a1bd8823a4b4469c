"""Pages by key: page 400,000 costs what the first one does, and a row that arrives in the
meantime shifts nothing.

A cursor is the key of the row at the page's edge and the way to go from there. It is text for
the address bar, and grants nothing: whoever edits it lands elsewhere in the same list.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)
PAGE = 50
# How many rows one page looks through for those that a condition without an index lets pass: a
# few first, which is enough for a common one.
WINDOWS = (120, 1000, 4000)

Narrow = Callable[[list[Any]], list[M]]
Finish = Callable[["QuerySet[M]"], "QuerySet[M]"]
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """``newer`` and ``older`` are the cursors of the neighbours, empty where there is none.
    ``partial`` says that the search stopped at its limit before the page was full, at
    ``reached`` where the list goes by an instant: the next cursor goes on from there."""

    rows: list[M]
    newer: str = ""
    older: str = ""
    partial: bool = False
    reached: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.rows)


def unchanged(rows: "QuerySet[M]") -> "QuerySet[M]":
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[M]):
    """A filtered list. ``rows`` is what an index finds, in the order of ``key``; ``finish`` adds
    what a row is shown with; ``residue`` is what no index answers, judged row by row."""

    rows: "QuerySet[M]"
    key: tuple[str, ...]
    finish: "Finish[M]" = field(default=unchanged)
    residue: Q | None = None

    def page(self, *, cursor: str = "", size: int = PAGE) -> Page[M]:
        return page_of(
            self.rows,
            key=self.key,
            cursor=cursor,
            size=size,
            windows=WINDOWS if self.residue is not None else (size + 1,),
            narrow=self._narrow,
        )

    def _narrow(self, keys: list[Any]) -> list[M]:
        """Of the rows with these keys those that pass, with what they are shown with. They are
        named one by one, so that the database's plan for it depends on nothing else."""
        rows = self.finish(self.rows.model._default_manager.filter(pk__in=keys))
        return list(rows.filter(self.residue) if self.residue is not None else rows)


def page_of(
    rows: "QuerySet[M]",
    *,
    key: tuple[str, ...],
    cursor: str = "",
    size: int = PAGE,
    windows: tuple[int, ...] = (),
    narrow: "Narrow[M] | None" = None,
) -> Page[M]:
    """The rows around ``cursor``, newest first. ``key`` names one unique field, or an indexed
    instant and a unique field. ``narrow`` picks rows by their keys, out of one of ``windows``
    after the other. A cursor that is none (cut off in a mail, edited) gives the first page."""
    way, edge = _read(cursor, len(key))
    forward = way != "newer"
    chosen = rows
    if edge is not None:
        try:
            chosen = rows.filter(_beyond(key, edge, forward))
        except (ValidationError, ValueError, TypeError, OverflowError):
            edge, forward = None, True
    chosen = chosen.order_by(*(f"-{name}" if forward else name for name in key))
    found, stopped = _find(chosen, key, size, windows, narrow)
    more, found = len(found) > size, found[:size]
    if not forward:
        found.reverse()
        if not found and stopped is None:
            return page_of(rows, key=key, size=size, windows=windows, narrow=narrow)
    first = found[0][0] if found else stopped or edge
    last = found[-1][0] if found else edge
    if stopped is not None:
        first, last = (first, stopped) if forward else (stopped, last)
    onward, back = more or stopped is not None, edge is not None
    newer, older = (back, onward) if forward else (onward, True)
    return Page(
        [row for _key, row in found],
        _write("newer", first) if newer else "",
        _write("older", last) if older else "",
        stopped is not None,
        stopped[0] if stopped is not None and len(key) > 1 else None,
    )


def _find(
    ordered: "QuerySet[M]",
    key: tuple[str, ...],
    size: int,
    windows: tuple[int, ...],
    narrow: "Narrow[M] | None",
) -> tuple[list[tuple[Values, M]], Values | None]:
    """Up to ``size`` + 1 rows, each with its key, and the key at which the search stopped short
    of them."""
    if narrow is None:
        rows = list(ordered[: size + 1])
        return [(tuple(getattr(row, name) for name in key), row) for row in rows], None
    found: list[tuple[Values, M]] = []
    stopped: Values | None = None
    for window in windows:
        keys = {pk: tuple(rest) for pk, *rest in ordered.values_list("pk", *key)[:window]}
        passed = {row.pk: row for row in narrow(list(keys))} if keys else {}
        found = [(value, passed[pk]) for pk, value in keys.items() if pk in passed][: size + 1]
        stopped = None
        if len(found) > size or len(keys) < window:
            break
        stopped = next(reversed(keys.values()))
    return found, stopped


def _beyond(key: tuple[str, ...], edge: Values, forward: bool) -> Q:
    """``at <= x AND (at < x OR unique < y)``: the first half alone bounds the index."""
    than = "lt" if forward else "gt"
    if len(key) == 1:
        return Q(**{f"{key[0]}__{than}": edge[0]})
    at, unique = key
    bound = Q(**{f"{at}__{than}e": edge[0]})
    return bound & (Q(**{f"{at}__{than}": edge[0]}) | Q(**{f"{unique}__{than}": edge[1]}))


def _write(way: str, values: Values | None) -> str:
    if values is None:
        return ""
    texts = [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]
    return base64.urlsafe_b64encode(json.dumps([way, *texts]).encode()).decode().rstrip("=")


def _read(cursor: str, columns: int) -> tuple[str, Values | None]:
    """Way and key; all columns but the last, which is unique, are instants."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        way, *texts = json.loads(raw)
        instants = [datetime.fromisoformat(text) for text in texts[:-1]]
    except (ValueError, TypeError, RecursionError):
        return "older", None
    if len(texts) != columns or not isinstance(texts[-1], str):
        return "older", None
    if any(instant.tzinfo is None for instant in instants):
        return "older", None
    return str(way), (*instants, texts[-1])
