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
# How many steps of its index one page takes at most in search of rows that pass a condition
# which the index knows nothing of.
LOOK = 2000
# Where all that has to be passed over is what was revoked lately, ten thousand of a user or so.
FAR_LOOK = 10_000
# Where looking at a row asks other tables too.
SHORT_LOOK = 500
# How many of the rows that seem to pass are judged at once: a few more than a page, then many.
SPARE, MANY = 10, 500

Change = Callable[["QuerySet[M]"], "QuerySet[M]"]
Values = tuple[Any, ...]
Found = list[tuple[Values, Any]]


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


@dataclass(frozen=True, slots=True)
class Walk(Generic[M]):
    """``rows`` that one index finds in the order of the list. Where they hang from another
    table's rows, ``steps`` are those, and ``by`` is what the first of the key is called there:
    a step is then one of them, however many rows hang from it."""

    rows: "QuerySet[M]"
    steps: "QuerySet[Any] | None" = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[M]):
    """A filtered list, newest first unless it is ``ascending``. ``rows`` is what an index finds
    in the order of ``key`` (one unique field, or an indexed instant and a unique field), or
    several such walks, which are merged. ``coarse`` drops what an index knows nothing of, inside
    a bounded stretch of the walk (``look`` steps); ``exact`` is judged row by row of what is left,
    by what ``finish`` adds to a row."""

    rows: "QuerySet[M] | tuple[Walk[M], ...]"
    key: tuple[str, ...]
    finish: "Change[M]" = field(default=unchanged)
    coarse: "Change[M]" = field(default=unchanged)
    exact: Q | None = None
    look: int = LOOK
    ascending: bool = False

    def page(self, *, cursor: str = "", size: int = PAGE) -> Page[M]:
        """The rows around ``cursor``. One that is none (cut off in a mail, edited) gives the
        first page."""
        way, edge = _read(cursor, len(self.key))
        forward = way != "newer"
        try:
            stretches = [self._stretch(walk, edge, forward) for walk in self._walks]
        except (ValidationError, ValueError, TypeError, OverflowError):
            return self.page(size=size)
        found, stopped = self._find(stretches, forward, size)
        if not forward and not found and stopped is None:
            return self.page(size=size)
        more, found = len(found) > size, found[:size]
        if not forward:
            found.reverse()
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
            stopped[0] if stopped is not None and len(self.key) > 1 else None,
        )

    @property
    def _walks(self) -> "tuple[Walk[M], ...]":
        return self.rows if isinstance(self.rows, tuple) else (Walk(self.rows),)

    def _stretch(
        self, walk: "Walk[M]", edge: Values | None, forward: bool
    ) -> "tuple[QuerySet[M], Any]":
        """The rows of ``walk`` from ``edge`` on, in order, and how far the look at them goes:
        the first of the key, or None for all the way."""
        down = forward != self.ascending
        rows, sign = walk.rows, "-" if down else ""
        if edge is not None:
            rows = rows.filter(_beyond(self.key, edge, down))
        limit = None
        if self.coarse is not unchanged:
            steps, by = rows, self.key[0]
            if walk.steps is not None:
                steps, by = walk.steps, walk.by
                if edge is not None:
                    steps = steps.filter(**{f"{by}__{'lte' if down else 'gte'}": edge[0]})
            marks = steps.order_by(f"{sign}{by}").values_list(by, flat=True)
            limit = next(iter(marks[self.look : self.look + 1]), None)
            rows = self.coarse(rows)
            if limit is not None:
                rows = rows.filter(**{f"{self.key[0]}__{'gte' if down else 'lte'}": limit})
        return rows.order_by(*(f"{sign}{name}" for name in self.key)), limit

    def _find(
        self, stretches: "list[tuple[QuerySet[M], Any]]", forward: bool, size: int
    ) -> tuple[Found, Values | None]:
        """Up to ``size`` + 1 rows, each with its key, and the key at which the search stopped
        short of them."""
        if self.exact is None:
            rows, stopped = self._candidates(stretches, forward, size + 1)
            found = rows if self._plain else self._judged(rows)
            return found, None if len(rows) > size else stopped
        for limit in (size + SPARE, max(MANY, 2 * size)):
            rows, stopped = self._candidates(stretches, forward, limit)
            found = self._judged(rows)
            if len(found) > size:
                return found[: size + 1], None
            if len(rows) < limit:
                return found, stopped
        return found, rows[-1][0]

    @property
    def _plain(self) -> bool:
        return self.finish is unchanged and self.exact is None

    def _candidates(
        self, stretches: "list[tuple[QuerySet[M], Any]]", forward: bool, limit: int
    ) -> tuple[Found, Values | None]:
        """The first ``limit`` of what seems to pass, each with its key: the rows themselves
        where nothing is added to them, else their primary keys. And where the look ended."""
        every: dict[Any, tuple[Values, Any]] = {}
        ends = []
        for rows, end in stretches:
            if self._plain:
                objects = list(rows[:limit])
                got = {o.pk: (tuple(getattr(o, k) for k in self.key), o) for o in objects}
            else:
                keys = rows.values_list("pk", *self.key)[:limit]
                got = {pk: (tuple(values), pk) for pk, *values in keys}
            if end is not None and len(got) < limit:
                ends.append(end)
            every |= got
        found = list(every.values())
        if len(stretches) > 1:
            # One walk alone is in the database's order, which for texts is not Python's.
            down = forward != self.ascending
            found.sort(key=lambda pair: pair[0], reverse=down)
            if ends:
                # Beyond the nearest end, one of the walks has not been looked at.
                ends = [max(ends) if down else min(ends)]
                found = [x for x in found if (x[0][0] >= ends[0] if down else x[0][0] <= ends[0])]
        if not ends:
            return found[:limit], None
        (end,) = ends
        return found[:limit], (end, ALL) if len(self.key) > 1 else (end,)

    def _judged(self, candidates: Found) -> Found:
        """Those that pass, with what they are shown with. They are named one by one, so that
        the database's plan for it depends on nothing else."""
        if not candidates:
            return []
        keys = [pk for _key, pk in candidates]
        rows = self.finish(self._walks[0].rows.model._default_manager.filter(pk__in=keys))
        passed = {row.pk: row for row in (rows.filter(self.exact) if self.exact else rows)}
        return [(value, passed[pk]) for value, pk in candidates if pk in passed]


def page_of(
    rows: "QuerySet[M]", *, key: tuple[str, ...], cursor: str = "", size: int = PAGE
) -> Page[M]:
    return Listing(rows=rows, key=key).page(cursor=cursor, size=size)


# Instead of a unique field's value: every row of that instant.
ALL = ""


def _beyond(key: tuple[str, ...], edge: Values, forward: bool) -> Q:
    """``at <= x AND (at < x OR unique < y)``: the first half alone bounds the index."""
    than = "lt" if forward else "gt"
    if len(key) == 1 or edge[1] == ALL:
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
