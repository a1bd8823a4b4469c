"""SQL that tells which stored values are too long to read.

A database can hold values that it can't print. PostgreSQL stores the number ``1e131071`` in a few
bytes and prints 131,072 digits, so a small list of such numbers exceeds the gigabyte that it can
print. SQLite stores up to a gigabyte in any column, and prints bytes as twice as many digits. A
query that reads such a value fails as a whole.
"""

# Bytes of the longest value that is read. The longest that the portal writes is the data of an act
# that names many accounts: this is room for 100,000.
LONGEST = 2**24
# Bytes of JSON that hold at most ten numbers, which need no look.
FEW = 128
# The portal writes no number with more digits, before or after the point.
DIGITS = 40
# Levels of objects and lists in each other. The portal writes four.
DEEPEST = 64


def json_size(column: str) -> str:
    """Return SQL for the bytes of a jsonb column in memory, not compressed (PostgreSQL)."""
    return f"pg_column_size({column} #> '{{}}')"


def is_printable(column: str) -> str:
    """Return a condition in SQL: PostgreSQL can print the value of a jsonb column."""
    parts = (
        "SELECT o.value FROM jsonb_each("
        "CASE jsonb_typeof(held.value) WHEN 'object' THEN held.value END) o "
        "UNION ALL SELECT a.value FROM jsonb_array_elements("
        "CASE jsonb_typeof(held.value) WHEN 'array' THEN held.value END) a"
    )
    number = "value::numeric"
    return (
        f"CASE WHEN {json_size(column)} <= {FEW} THEN true "  # noqa: S608
        f"WHEN {json_size(column)} > {LONGEST} THEN false "
        f"ELSE NOT EXISTS (WITH RECURSIVE held(value, depth) AS (SELECT {column}, 1 UNION ALL "
        f"SELECT part.value, depth + 1 FROM held, LATERAL ({parts}) part WHERE depth <= {DEEPEST}"
        f") SELECT FROM held WHERE depth > {DEEPEST} OR CASE jsonb_typeof(value) WHEN 'number' "
        f"THEN abs({number}) >= 1e{DIGITS} OR scale({number}) > {DIGITS} END) END"
    )


def octets(column: str) -> str:
    """Return SQL for the bytes of a column with any value (SQLite)."""
    return f"length(CAST({column} AS BLOB))"
