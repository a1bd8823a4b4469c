"""Let the portal wait for the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def nothing_written() -> Iterator[None]:
    """Let every refresh and login of other processes wait inside the block."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "LOCK TABLE token_blacklist_outstandingtoken, tokens_loginthrottle"
                " IN EXCLUSIVE MODE"
            )
        yield
