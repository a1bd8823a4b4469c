"""Let many threads of a test have a connection each."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

MOST = 40


@contextmanager
def many_connections() -> Iterator[None]:
    """Enlarge the pool of PostgreSQL connections; SQLite has none."""
    pool = getattr(connection, "pool", None) if connection.vendor == "postgresql" else None
    if pool is None:
        yield
        return
    before = pool.min_size, pool.max_size
    pool.resize(before[0], MOST)
    try:
        yield
    finally:
        pool.resize(*before)
