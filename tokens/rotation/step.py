"""The step from one refresh token to its successor, and the two ways in which it is written."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.utils import timezone

from tokens import audit
from tokens.issuing import IssuedPair, to_store
from tokens.models import BlacklistedToken, Event, OutstandingToken, Session, SessionToken
from tokens.origin import Origin
from tokens.selectors.standing import Standing
from tokens.selectors.statement import RowInsert, fetch_one, mark_written
from tokens.signing import access_for, sign, successor

MOVED = ("previous", "current", "rotated_at", "last_used_at", "ends_at", "rotations")
SEEN = ("ip", "user_agent")


@dataclass(frozen=True, slots=True)
class Step:
    """``standing.session`` as it will be once the step is written, ``following`` the successor's
    row, not yet written. ``pair`` is for the client, and only after that."""

    standing: Standing
    claims: dict[str, Any]
    following: OutstandingToken
    pair: IssuedPair

    @classmethod
    def of(cls, standing: Standing, claims: dict[str, Any], where: Origin) -> "Step":
        session, now = standing.session, timezone.now()
        token = successor(claims=claims, expires_at=session.expires_at)
        signed, following = to_store(refresh=token, user=standing.user, now=now)
        _move(session, following, now, where)
        access = sign(access_for(refresh=token, expires_at=session.expires_at))
        return cls(standing, claims, following, IssuedPair(session, signed, access))


def _move(session: Session, following: OutstandingToken, now: datetime, where: Origin) -> None:
    session.previous_id = session.current_id
    session.rotated_at = session.last_used_at = now
    session.ends_at = following.expires_at
    session.rotations += 1
    if where.ip is not None:
        # Where the session is now; where it was at each step stands in the events.
        session.ip, session.user_agent = where.ip, where.user_agent[:512]


def take_under_lock(step: Step, event: Event) -> None:
    """Write the step. The caller holds the session's row, and has judged the token since."""
    session, following = step.standing.session, step.following
    BlacklistedToken.objects.create(token_id=session.previous_id)
    following.save(force_insert=True)
    SessionToken.objects.create(token=following, session=session)
    session.current = following
    session.save(update_fields=[*MOVED, *SEEN])
    audit.write(event)


def take_at_once(step: Step, event: Event) -> bool:
    """Write the step by one statement (PostgreSQL), which is a transaction of its own: a refresh
    waits for each round trip, and BEGIN, five statements and COMMIT are seven. False, and
    nothing written, where the token is by now no longer the current one of a live session.

    Whatever else may have befallen the account meanwhile, a cut-off or a changed password, is
    asked anew whenever the successor is presented.
    """
    session, following = step.standing.session, step.following
    now = session.rotated_at
    sql, token, line = _statement()
    row = fetch_one(
        sql,
        [
            *(session.pk, session.previous_id, now),
            *token.parameters(following),
            session.pk,
            *line.parameters(event),
            *(session.previous_id, now, now, session.ends_at, session.rotations),
            *(connection.ops.adapt_ipaddressfield_value(session.ip), session.user_agent),
            session.pk,
        ],
    )
    if row is None:
        return False
    mark_written(following, row[0])
    mark_written(event, row[1])
    session.current = following
    return True


# Each part feeds the next, so nothing is written unless the session's row was locked, and found
# as it was, by the first. A lock that had to be waited for reads the row anew.
AT_ONCE = """
WITH held AS (SELECT id, current_id FROM {session}
    WHERE id = %s AND current_id = %s AND revoked_at IS NULL FOR NO KEY UPDATE),
used AS (INSERT INTO {blacklist} (token_id, blacklisted_at) SELECT current_id, %s FROM held
    ON CONFLICT DO NOTHING RETURNING token_id),
following AS ({following} RETURNING id),
membership AS (INSERT INTO {membership} (token_id, session_id) SELECT id, %s FROM following),
event AS ({event} RETURNING id)
UPDATE {session} s SET previous_id = %s, current_id = following.id, rotated_at = %s,
    last_used_at = %s, ends_at = %s, rotations = %s, ip = %s, user_agent = %s
FROM following, event WHERE s.id = %s RETURNING following.id, event.id"""


@lru_cache(maxsize=1)
def _statement() -> tuple[str, RowInsert, RowInsert]:
    """The statement, and its two parts that take a row's values."""
    token = RowInsert(OutstandingToken, source="used")
    event = audit.insert_beside(source="following")
    models = {"blacklist": BlacklistedToken, "membership": SessionToken, "session": Session}
    quote = connection.ops.quote_name
    tables = {name: quote(model._meta.db_table) for name, model in models.items()}
    return AT_ONCE.format(following=token.sql, event=event.sql, **tables), token, event
