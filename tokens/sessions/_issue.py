"""Open a session with one statement (PostgreSQL).

`tokens.sessions.issue.write_opening` is the plain way to write the same rows. Four statements wait
for the database four times.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from tokens import audit
from tokens.db.statements import RowInsert, fetch_all, mark_written
from tokens.models import OutstandingToken, Session, SessionToken

if TYPE_CHECKING:
    from tokens.sessions.issue import Opening

OPEN = """
WITH token AS ({} RETURNING id), session AS ({}), membership AS ({}), event AS ({} RETURNING id)
SELECT token.id, event.id FROM token, event"""


def write_in_one_statement(opening: "Opening") -> None:
    """Write the rows of a new session."""
    session, token, event = opening.session, opening.token, opening.event
    sql, parts = _statement()
    rows = zip(parts, (token, session, SessionToken(session=session), event), strict=True)
    values = [value for part, row in rows for value in part.parameters(row)]
    ((token_key, event_key),) = fetch_all(sql, values)
    mark_written(token, token_key)
    mark_written(session, session.pk)
    mark_written(event, event_key)
    session.current = token
    audit.log_on_commit(event)


@lru_cache(maxsize=1)
def _statement() -> tuple[str, tuple[RowInsert, ...]]:
    parts = (
        RowInsert(OutstandingToken),
        RowInsert(Session, source="token", current_id="token.id"),
        RowInsert(SessionToken, source="token", token_id="token.id"),  # noqa: S106  (a column)
        audit.insert_beside(),
    )
    return OPEN.format(*(part.sql for part in parts)), parts
