"""Move all rows of one database to the other, and compare them."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from django.core.management.base import CommandError

from tokens.audit.tampered import Tampered
from tokens.audit.verify import compare
from tokens.db import unfinished_move
from tokens.management.moving import ends
from tokens.management.moving.rows import (
    Row,
    Sum,
    add_up,
    batches,
    count,
    key_of,
    read,
    write,
)
from tokens.management.moving.tables import Table, in_order
from tokens.management.moving.values import Value

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# Names of the notes beside those of the tables.
SOURCE, STEP = "(source)", "(step)"
CREATING, COPYING = "creating", "copying"
DONE = "done"
# SQLite lets a writer that waits try ten times in a second.
SETTLING_SECONDS = 2

Advance = Callable[[int], None]


class Move:
    """One move of ``tables``. Each step can be repeated after an interruption.

    ``advance`` is told how many rows were read.
    """

    def __init__(
        self,
        source: "BaseDatabaseWrapper",
        target: "BaseDatabaseWrapper",
        tables: list[Table],
        *,
        advance: Advance,
    ) -> None:
        self.source, self.target, self.tables = source, target, tables
        self.groups = in_order(tables)
        self._advance = advance

    def fingerprint(self) -> tuple[int, str]:
        """Return the number of rows of the source, and a digest that most changes change."""
        counts = [(table.name, *count(self.source, table)) for table in self.tables]
        text = json.dumps(sorted(counts, key=lambda one: one[0]), default=str)
        return sum(rows for _, rows, _ in counts), hashlib.sha256(text.encode()).hexdigest()

    def begin(self, fingerprint: str) -> str:
        """Mark the target, or find out how far the move is. Return what people should know."""
        if not unfinished_move.is_unfinished(self.target):
            taken = {table.name for table in self.tables} | ends.OWN_TABLES
            if found := sorted(ends.table_names(self.target) & taken):
                raise CommandError(
                    f"The target is not empty: it has the table {found[0]}. Either an earlier move "
                    "to it has ended, or it is another database."
                )
            with ends.writing(self.target):
                ends.mark(self.target)
                self._begin_again(fingerprint)
            return ""
        if unfinished_move.kept(self.target).get(SOURCE) == fingerprint:
            return "The move goes on where it was."
        with ends.writing(self.target):
            self._begin_again(fingerprint)
        return "The source is not as it was at the last attempt, so the move begins again."

    def _begin_again(self, fingerprint: str) -> None:
        unfinished_move.forget(self.target)
        unfinished_move.note(self.target, SOURCE, fingerprint)
        unfinished_move.note(self.target, STEP, CREATING)

    def create(self) -> None:
        """Create the tables of the target, unless that is done."""
        if unfinished_move.kept(self.target)[STEP] != CREATING:
            return
        ends.fill_with_tables(self.target, self.tables)
        with ends.writing(self.target):
            ends.empty(self.target, self.groups)
            unfinished_move.note(self.target, STEP, COPYING)

    def copy(self) -> None:
        """Copy what the target lacks, in batches that commit."""
        notes = unfinished_move.kept(self.target)
        for group in self.groups:
            if len(group) > 1 or group[0].name in group[0].needs:
                self._copy_together([table for table in group if table.name not in notes])
                continue
            (table,) = group
            if notes.get(table.name) != DONE:
                self._copy_in_batches(table, json.loads(notes.get(table.name, "[]")))

    def _copy_in_batches(self, table: Table, last: list[Value]) -> None:
        for batch in batches(self._rows(table, after=last, ordered=True)):
            with ends.writing(self.target):
                write(self.target, table, batch)
                unfinished_move.note(self.target, table.name, json.dumps(key_of(table, batch[-1])))
        unfinished_move.note(self.target, table.name, DONE)

    def _copy_together(self, tables: list[Table]) -> None:
        """Copy tables that refer to each other. Their constraints are checked at the commit."""
        with ends.writing(self.target):
            for table in tables:
                for batch in batches(self._rows(table)):
                    write(self.target, table, batch)
                unfinished_move.note(self.target, table.name, DONE)

    def _rows(
        self,
        table: Table,
        *,
        after: Sequence[Value] = (),
        ordered: bool = False,
        refused: Callable[[CommandError], None] | None = None,
    ) -> Iterator[Row]:
        vendor = self.target.vendor
        for row in read(
            self.source, table, to=vendor, after=after, ordered=ordered, refused=refused
        ):
            self._advance(1)
            yield row

    def check(self, refused: Callable[[CommandError], None]) -> Iterator[tuple[Table, Sum]]:
        """Yield each table with what it holds. Nothing is written."""
        for table in self.tables:
            yield table, add_up(self._rows(table, refused=refused), table.columns)

    def compare(self) -> Iterator[tuple[Table, Sum]]:
        """Yield each table with what both databases hold.

        Raises `CommandError` if they differ. The next attempt then begins again.
        """
        for table in self.tables:
            there = add_up(self._rows(table), table.columns)
            with ends.writing(self.target):
                here = add_up(read(self.target, table), table.columns)
            if here != there:
                with ends.writing(self.target):
                    self._begin_again("")
                raise CommandError(
                    f"{table.name} differs: {there.rows:,} rows in the source and {here.rows:,} in "
                    "the target. The source was written since the move began. Stop what writes to "
                    "it, and run move_database again: it begins again."
                )
            yield table, there

    def verify(self) -> list[str]:
        """Verify the trail in both databases. Return what differs from the seals in the source.

        Raises `CommandError` if the target has a difference that the source lacks.
        """
        # What is above the last id of an event is reported.
        ends.continue_numbers(self.source, self.target, self.tables)
        before = _differences()
        with ends.as_default(self.target), ends.writing(self.target):
            after = _differences()
        if new := [one for one in after if one not in before]:
            raise CommandError(f"The trail does not verify in the target: {new[0]}")
        return before

    def check_writers(self, fingerprint: str) -> None:
        """Find a portal that was not stopped, once the source can be written again.

        What waited for the lock is written at once. Raises `CommandError`, because the target
        lacks it. The next attempt then begins again.
        """
        time.sleep(SETTLING_SECONDS)
        if self.fingerprint()[1] != fingerprint:
            raise CommandError(
                "The source was written as soon as it was not locked any more: a portal still uses "
                "it. Stop the portal and its timers, and run move_database again."
            )

    def finish(self) -> None:
        """Make the target a database that can be served."""
        ends.analyze(self.target, self.tables)
        ends.finish(self.target)


def _differences() -> list[str]:
    return [str(found) for found in compare() if isinstance(found, Tampered)]
