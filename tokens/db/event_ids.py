"""Read the last id that the database has given to an event.

A role with rights on rows can insert an event with any id. Readers of the trail don't follow it.
"""

from django.db import connection

# SQLite gives no higher id: with a million events in a second, this one is nine years away.
HIGHEST = 2**48
SEQUENCE = "pg_get_serial_sequence('tokens_event', 'id')"


def last_id() -> int:
    """Return the last id that was given, or 0. A later event has a higher one.

    PostgreSQL keeps it in a sequence. SQLite gives the highest id of the table, plus one.
    """
    if connection.vendor == "postgresql":
        query = f"SELECT pg_sequence_last_value({SEQUENCE}::regclass)"
    else:
        query = f"SELECT max(id) FROM tokens_event WHERE id <= {HIGHEST}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query)
        (last,) = cursor.fetchone()
    return int(last or 0)
