from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from tokens.management.base import TokensCommand
from tokens.management.moving import ends
from tokens.management.moving.move import Move
from tokens.management.moving.rows import Sum, raw_texts
from tokens.management.moving.tables import Table, all_tables

TARGET = "target"
# Rows are read once to be copied, and once to be compared.
PASSES = 2
SHOWN_DIGITS = 16
MOST_SHOWN = 20
OTHER_WAYS = {
    "sqlite": "Both databases are SQLite: copy the file with backup_database.",
    "postgresql": "Both databases are PostgreSQL: use pg_dump and psql.",
}


class Command(TokensCommand):
    help = (
        "Move everything from SQLite to PostgreSQL, or back: from the database of the portal to "
        "the empty one of TARGET_DATABASE_URL. Stop the portal first. An interrupted move goes "
        "on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Read every row, and name those that the target can't hold. Write nothing.",
        )

    def handle(self, *, dry_run: bool, as_json: bool, **_: object) -> None:
        source, target = _ends()
        tables = all_tables(source, target)
        ends.check_source(source, tables)
        if left := ends.left_behind(source, tables):
            self.stderr.write(f"Not moved, because no model has them: {', '.join(left)}.")
        with ExitStack() as stack:
            stack.enter_context(raw_texts(source))
            bar = stack.enter_context(self.bar(unit="row", unit_scale=True))
            move = Move(source, target, tables, advance=bar.update)
            if dry_run:
                with ends.unlocked(source):
                    bar.total = move.fingerprint()[0]
                    ends.check_references(source, tables)
                    self._check(move, left, as_json=as_json)
                return
            with ends.locked(source, tables):
                rows, fingerprint = move.fingerprint()
                bar.total = PASSES * rows
                ends.check_references(source, tables)
                facts = self._copy(move, fingerprint, as_json=as_json)
            move.check_writers(fingerprint)
            move.finish()
        self._conclude({**facts, "left": left}, as_json=as_json)

    def _check(self, move: Move, left: list[str], *, as_json: bool) -> None:
        problems: list[CommandError] = []
        sums = dict(self._told(move.check(problems.append), as_json=as_json))
        for problem in problems[:MOST_SHOWN]:
            self.stderr.write(str(problem))
        facts = {**_facts(sums), "unmovable": len(problems), "left": left}
        line = f"{facts['rows']:,} rows of {len(sums)} tables can be moved."
        self.tell(facts, line, as_json=as_json)
        if problems:
            raise CommandError(f"Rows that can't be moved: {len(problems):,}.")

    def _copy(self, move: Move, fingerprint: str, *, as_json: bool) -> dict[str, Any]:
        """Do all that needs the source, and return what was moved."""
        ends.connect(move.target)
        if said := move.begin(fingerprint):
            self.stderr.write(said)
        move.create()
        move.copy()
        sums = dict(self._told(move.compare(), as_json=as_json))
        differences = move.verify()
        return {**_facts(sums), "intact": not differences, "differences": differences}

    def _conclude(self, facts: dict[str, Any], *, as_json: bool) -> None:
        trail = "The audit trail verifies."
        if differences := facts["differences"]:
            trail = f"The audit trail differs from its seals, as it did before: {differences[0]}"
        line = (
            f"Moved {facts['rows']:,} rows of {len(facts['tables'])} tables, which are equal in "
            f"both. {trail} Now set DATABASE_URL to the target, and start the portal."
        )
        self.tell(facts, line, as_json=as_json)

    def _told(
        self, sums: Iterable[tuple[Table, Sum]], *, as_json: bool
    ) -> Iterator[tuple[str, Sum]]:
        """Write a line for each table as it comes."""
        for table, found in sums:
            if not as_json:
                checksum = found.checksum[:SHOWN_DIGITS]
                self.stdout.write(f"{table.name}: {found.rows:,} rows, checksum {checksum}")
            yield table.name, found


def _ends() -> tuple[Any, Any]:
    """Return both connections."""
    if TARGET not in connections.settings:
        raise CommandError(
            "There is no target: set TARGET_DATABASE_URL, or add 'target' to DATABASES in a "
            "project."
        )
    source, target = connections[DEFAULT_DB_ALIAS], connections[TARGET]
    for name, one in (("source", source), ("target", target)):
        if one.vendor not in OTHER_WAYS:
            raise CommandError(f"The {name} is neither SQLite nor PostgreSQL.")
        if one.vendor == "sqlite" and one.timezone_name != "UTC":
            raise CommandError(
                f"The {name} keeps its times in {one.timezone_name}. Only UTC can be moved."
            )
    if source.vendor == target.vendor:
        raise CommandError(OTHER_WAYS[source.vendor])
    return source, target


def _facts(sums: dict[str, Sum]) -> dict[str, Any]:
    tables = {
        name: {"rows": found.rows, "checksum": found.checksum} for name, found in sums.items()
    }
    return {"tables": tables, "rows": sum(found.rows for found in sums.values())}
