"""Page through lists by key.

The last page costs as much as the first one, and a new row doesn't shift the pages.

A cursor is the key of the row at the page's edge and a direction, with the mark of its list and
filters. It is part of the address and isn't signed, because it grants nothing: an edited cursor
only leads elsewhere in the same list.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, ExpressionWrapper, F, Model, Q, QuerySet, Subquery

from tokens.models.readable import EARLIEST, LATEST

M = TypeVar("M", bound=Model, covariant=True)
PAGE = 50
# To find rows that fulfil a condition without an index, one page reads at most this many index
# entries.
LOOK = 2000
# The limit if the rows to skip are only recently revoked sessions, such as those of one user.
FAR_LOOK = 10_000
# The limit if the condition also reads other tables.
SHORT_LOOK = 500
# The exact status is computed for a page and SPARE more rows, then for MANY rows at once.
SPARE, MANY = 10, 500

Change = Callable[["QuerySet[M]"], "QuerySet[M]"]
Values = tuple[Any, ...]
# Rows, or their primary keys, each with its key in the list.
Keyed = list[tuple[Values, Any]]
# The rest of a walk, and the value of the key's first column at which the search has to stop.
Stretch = tuple["QuerySet[M]", Any]


class InvalidCursor(ValueError):
    """Raised for a text that is no cursor of the list with its filters."""


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Hold the rows of one page.

    ``newer`` and ``older`` are the cursors of the neighbouring pages, empty if there is none.
    ``partial`` says that the search stopped at its limit before the page was full; the next cursor
    continues there. If the list is in the order of an instant, ``reached`` is the last one read.
    """

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
    """Read ``rows`` with one index, in the order of the list.

    If the index belongs to another table, which ``rows`` refer to, ``steps`` are its rows and
    ``by`` is its name for the first column of the key. The limit of a page then counts ``steps``.
    """

    rows: "QuerySet[M]"
    steps: "QuerySet[Model] | None" = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[M]):
    """Describe a filtered list, newest first unless it is ``ascending``.

    ``rows`` are in the order of ``key``, which is one unique field, or an indexed instant and a
    unique field. Several walks are merged. ``coarse`` filters by conditions without an index,
    within the next ``look`` rows. ``exact`` filters the remaining rows by the annotations that
    ``finish`` adds to them. A cursor is accepted only with the ``mark`` with which it was written.
    """

    rows: "QuerySet[M] | tuple[Walk[M], ...]"
    key: tuple[str, ...]
    finish: "Change[M]" = field(default=unchanged)
    coarse: "Change[M]" = field(default=unchanged)
    exact: Q | None = None
    look: int = LOOK
    ascending: bool = False
    mark: str = ""

    def page(self, *, cursor: str = "", size: int = PAGE) -> Page[M]:
        """Return the page at ``cursor``; the first page if the cursor is invalid."""
        try:
            return self.exact_page(cursor=cursor, size=size)
        except InvalidCursor:
            return self.exact_page(size=size)

    def exact_page(self, *, cursor: str = "", size: int = PAGE) -> Page[M]:
        """Return the page at ``cursor``, the first one if it is empty. Raises `InvalidCursor`."""
        way, edge = self._read(cursor) if cursor else ("older", None)
        forward = way != "newer"
        try:
            stretches = [self._stretch(walk, edge, forward) for walk in self._walks]
        except (ValidationError, ValueError, TypeError, OverflowError) as error:
            if not cursor:
                raise
            raise InvalidCursor from error
        found, stopped = self._find(stretches, forward, size)
        if not forward and not found and stopped is None:
            return self.exact_page(size=size)
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
            self.cursor("newer", first) if newer else "",
            self.cursor("older", last) if older else "",
            stopped is not None,
            stopped[0] if stopped is not None and len(self.key) > 1 else None,
        )

    def cursor(self, way: str, values: Values | None) -> str:
        """Return the cursor of the rows ``newer`` or ``older`` than a row with this key."""
        if values is None:
            return ""
        texts = [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]
        text = json.dumps([self.mark, way, *texts])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _read(self, cursor: str) -> tuple[str, Values]:
        """Return direction and key. Raises `InvalidCursor`.

        All columns except the last, unique one are instants.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            mark, way, *texts = json.loads(raw)
            instants = [datetime.fromisoformat(text) for text in texts[:-1]]
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidCursor from error
        if mark != self.mark or way not in ("older", "newer"):
            raise InvalidCursor
        if len(texts) != len(self.key) or not isinstance(texts[-1], str):
            raise InvalidCursor
        if any(instant.tzinfo is None for instant in instants):
            raise InvalidCursor
        return way, (*instants, texts[-1])

    @property
    def _walks(self) -> "tuple[Walk[M], ...]":
        return self.rows if isinstance(self.rows, tuple) else (Walk(self.rows),)

    def _stretch(self, walk: "Walk[M]", edge: Values | None, forward: bool) -> "Stretch[M]":
        """Return the rows of ``walk`` after ``edge``, in order, and the limit of the search.

        The limit is a value of the key's first column, or None if there is no limit.
        """
        down = forward != self.ascending
        rows, sign = walk.rows, "-" if down else ""
        if edge is not None:
            rows = rows.filter(beyond(rows.model, self.key, edge, down=down))
        limit = None
        if self.coarse is not unchanged:
            by = self.key[0]
            steps: QuerySet[Model] = rows
            if walk.steps is not None:
                steps, by = walk.steps, walk.by
                if edge is not None:
                    steps = steps.filter(**{f"{by}__{'lte' if down else 'gte'}": edge[0]})
            marks = steps.order_by(f"{sign}{by}").values_list(F(by), flat=True)
            limit = next(iter(marks[self.look : self.look + 1]), None)
            if limit == (EARLIEST if down else LATEST):
                limit = None  # It can't be read, and neither can any time after it.
            rows = self.coarse(rows)
            if limit is not None:
                rows = rows.filter(**{f"{self.key[0]}__{'gte' if down else 'lte'}": limit})
        return rows.order_by(*(f"{sign}{name}" for name in self.key)), limit

    def _find(
        self, stretches: "list[Stretch[M]]", forward: bool, size: int
    ) -> tuple[Keyed, Values | None]:
        """Return up to ``size`` + 1 rows, each with its key.

        If the search stopped at its limit before, also return the key at which it stopped.
        """
        if self.exact is None:
            rows, stopped = self._candidates(stretches, forward, size + 1)
            found = rows if self._plain else self._checked(rows)
            return found, None if len(rows) > size else stopped
        for limit in (size + SPARE, max(MANY, 2 * size)):
            rows, stopped = self._candidates(stretches, forward, limit)
            found = self._checked(rows)
            if len(found) > size:
                return found[: size + 1], None
            if len(rows) < limit:
                return found, stopped
        return found, rows[-1][0]

    @property
    def _plain(self) -> bool:
        return self.finish is unchanged and self.exact is None

    def _candidates(
        self, stretches: "list[Stretch[M]]", forward: bool, limit: int
    ) -> tuple[Keyed, Values | None]:
        """Return the first ``limit`` rows that pass ``coarse``, each with its key.

        Also return the key at which the search stopped, if it did. If `_checked` has to read
        the rows again, only their primary keys are read here.
        """
        every: dict[object, tuple[Values, Any]] = {}
        ends = []
        for rows, end in stretches:
            if self._plain:
                objects = list(rows[:limit])
                got = {o.pk: (tuple(getattr(o, k) for k in self.key), o) for o in objects}
            else:
                keys = rows.values_list("pk", *map(F, self.key))[:limit]
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
                # One of the walks has not been read beyond the nearest end.
                ends = [max(ends) if down else min(ends)]
                found = [x for x in found if (x[0][0] >= ends[0] if down else x[0][0] <= ends[0])]
        if not ends:
            return found[:limit], None
        (end,) = ends
        return found[:limit], (end, ALL) if len(self.key) > 1 else (end,)

    def _checked(self, candidates: Keyed) -> Keyed:
        """Return the candidates that pass ``exact``, with the annotations of ``finish``.

        The query names their primary keys, so its plan doesn't depend on the filters.
        """
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


# This value of the unique field means all rows of the instant.
ALL = ""


def beyond(model: type[Model], key: tuple[str, ...], edge: Values, *, down: bool) -> Q:
    """Return the condition of the rows after ``edge`` in the order of ``key``.

    It is ``at <= x AND (at < x OR unique < y)``: the first half bounds the index scan.
    """
    than = "lt" if down else "gt"
    first: object = edge[0]
    if len(key) == 1 or edge[1] == ALL:
        return Q(**{f"{key[0]}__{than}": first})
    at, unique = key
    if edge[0] in (EARLIEST, LATEST):
        # These are in place of times that can't be read, so the database compares the stored one.
        row = model._base_manager.filter(**{unique: edge[1]})
        stored = ExpressionWrapper(F(at), output_field=DateTimeField())
        first = Subquery(row.values(stored=stored))
    bound = Q(**{f"{at}__{than}e": first})
    return bound & (Q(**{f"{at}__{than}": first}) | Q(**{f"{unique}__{than}": edge[1]}))
