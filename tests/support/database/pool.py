"""Let many threads of a test have a connection each."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

MOST = 40


@contextmanager
def many_connections() -> Iterator[None]:
    """Enlarge the pool of PostgreSQL connections; SQLite has none.

    Afterwards another pool replaces it. This one would keep its connections for ten minutes, and
    with those of other test processes they would be all that a server has by default.
    """
    pool = getattr(connection, "pool", None) if connection.vendor == "postgresql" else None
    if pool is None:
        yield
        return
    pool.resize(pool.min_size, MOST)
    try:
        yield
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
