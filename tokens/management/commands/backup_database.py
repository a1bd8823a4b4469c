import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from tokens.management.base import TokensCommand


class Command(TokensCommand):
    help = (
        "Copy the SQLite database into a new file, while the portal runs. The copy is checked. "
        "PostgreSQL has pg_dump."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", help="A new file. Only its owner may read it.")

    def handle(self, *, file: str, as_json: bool, **_: object) -> None:
        if connection.vendor != "sqlite":
            raise CommandError("This database is PostgreSQL: back it up with pg_dump.")
        target = Path(file)
        try:
            # The name is taken at once: two backups never write the same file.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        try:
            _copy(target)
        except BaseException:
            target.unlink()
            raise
        size = target.stat().st_size
        line = f"Wrote {file} ({size:,} bytes), which is whole."
        self.tell({"file": file, "bytes": size}, line, as_json=as_json)


def _copy(target: Path) -> None:
    """Copy what is committed now. Later writes are not in it, and wait for nothing."""
    connection.ensure_connection()
    try:
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            # The copy is one file, also where the database has a write-ahead log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise CommandError(f"{target}: {error}") from error
    if found != "ok":
        raise CommandError(f"The copy is damaged: {found}")
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
