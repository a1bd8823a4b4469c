"""Write a rotation with one statement (PostgreSQL).

`tokens.sessions.refresh.write_under_lock` is the plain way to write the same rows. A refresh waits
for each round trip, and BEGIN, a locking read, five statements and COMMIT are eight.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import connection

from tokens import audit
from tokens.db.statements import RowInsert, fetch_one, mark_written
from tokens.models import BlacklistedToken, OutstandingToken, Session, SessionToken

if TYPE_CHECKING:
    from tokens.sessions.refresh import Rotation

# Each part reads from the one before, so nothing is written unless the first part has locked the
# session's row and found it unchanged. If it had to wait for the lock, it reads the row again.
ROTATE = """
WITH locked AS (SELECT id, current_id FROM {session}
    WHERE id = %s AND current_id = %s AND revoked_at IS NULL FOR NO KEY UPDATE),
used AS (INSERT INTO {blacklist} (token_id, blacklisted_at) SELECT current_id, %s FROM locked
    ON CONFLICT DO NOTHING RETURNING token_id),
successor AS ({successor} RETURNING id),
membership AS (INSERT INTO {membership} (token_id, session_id) SELECT id, %s FROM successor),
event AS ({event} RETURNING id)
UPDATE {session} s SET previous_id = %s, current_id = successor.id, rotated_at = %s,
    last_used_at = %s, ends_at = %s, rotations = %s, ip = %s, user_agent = %s
FROM successor, event WHERE s.id = %s RETURNING successor.id, event.id"""


def write_in_one_statement(rotation: "Rotation") -> bool:
    """Write a rotation in a transaction of its own; no lock has to be held.

    Returns False and writes nothing if another transaction has rotated or revoked the
    session. The account is not re-checked here: a cutoff or password change that commits in between
    is caught the next time the successor is used.
    """
    session, successor, event = rotation.session, rotation.successor, rotation.event
    sql, token_insert, event_insert = _statement()
    row = fetch_one(
        sql,
        [
            *(session.pk, session.previous_id, session.rotated_at),
            *token_insert.parameters(successor),
            session.pk,
            *event_insert.parameters(event),
            *(session.previous_id, session.rotated_at, session.last_used_at, session.ends_at),
            session.rotations,
            *(connection.ops.adapt_ipaddressfield_value(session.ip), session.user_agent),
            session.pk,
        ],
    )
    if row is None:
        return False
    mark_written(successor, row[0])
    mark_written(event, row[1])
    session.current = successor
    audit.log_on_commit(event)
    return True


@lru_cache(maxsize=1)
def _statement() -> tuple[str, RowInsert, RowInsert]:
    """Build the statement, with the two parts whose parameters come from a row."""
    token_insert = RowInsert(OutstandingToken, source="used")
    event_insert = audit.insert_beside(source="successor")
    quote = connection.ops.quote_name
    sql = ROTATE.format(
        session=quote(Session._meta.db_table),
        blacklist=quote(BlacklistedToken._meta.db_table),
        membership=quote(SessionToken._meta.db_table),
        successor=token_insert.sql,
        event=event_insert.sql,
    )
    return sql, token_insert, event_insert
