"""Read the latest sessions of several users, however many sessions each of them has."""

from collections.abc import Collection
from functools import lru_cache
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection

from tokens.models import Session

# For each user, the index `tokens_session_mine` is read up to the limit. SQLite has no LATERAL, and
# joins in the order that is written.
LATEST = """(SELECT l.id FROM {session} l WHERE l.user_id = u.{key}
    ORDER BY l.last_used_at DESC, l.id DESC LIMIT {each})"""
JOINS = {
    "postgresql": "CROSS JOIN LATERAL {latest} s",
    "sqlite": "CROSS JOIN {session} s ON s.id IN {latest}",
}


def latest_sessions(*, users: Collection[object], each: int) -> list[UUID]:
    """Return the ids of the ``each`` last used sessions of every one of ``users``."""
    if not users:
        return []
    key = get_user_model()._meta.pk
    values = [key.get_db_prep_value(user, connection) for user in users]
    sql = _statement(connection.vendor, each)
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} IN ({marks})", values)
        return [Session._meta.pk.to_python(sid) for (sid,) in cursor.fetchall()]


@lru_cache(maxsize=4)
def _statement(vendor: str, each: int) -> str:
    user, quote = get_user_model()._meta, connection.ops.quote_name
    key, session = quote(str(user.pk.column)), quote(Session._meta.db_table)
    latest = LATEST.format(session=session, key=key, each=each)
    join = JOINS[vendor].format(latest=latest, session=session)
    return f"SELECT s.id FROM {quote(user.db_table)} u {join} WHERE u.{key}"  # noqa: S608
