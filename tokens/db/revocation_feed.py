"""Have the database write the revocation feed, which services follow.

Whatever makes the portal refuse access tokens is a change of a row, so triggers write the feed's
entries. Every way to revoke reaches the feed: the app's own acts, another service on simplejwt's
tables, `QuerySet.update`, plain SQL, and hosts of an earlier release.

- A session is revoked, deleted or cut short, or loses its user or its refresh token.
- A session's current token is blacklisted, by another service on the same tables.
- A cutoff is set; an account that is deactivated gets one (`tokens.revocation.deactivation`).
- The stored password changes, also without Django's signals.

`manage.py migrate` drops the triggers before it changes what they name, and creates them again
afterwards. Other migrations leave them, for hosts that serve at the same time.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.db.migrations import Migration
from django.db.models import Q

from tokens.db.triggers import ensure_trigger, must_go
from tokens.models import BlacklistedToken, Cutoff, FeedEntry, Session

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import CharField
    from django.db.models.expressions import Combinable

SESSION_ENDED, SESSION_GONE = "tokens_feed_session", "tokens_feed_session_gone"
BLACKLISTED, CUT_OFF, PASSWORD = (
    "tokens_feed_blacklist",
    "tokens_feed_cutoff",
    "tokens_feed_password",
)
NAMES = (SESSION_ENDED, SESSION_GONE, BLACKLISTED, CUT_OFF, PASSWORD)
# The number of the transaction. SQLite has one writer at a time, so the next id will do: numbers
# grow in the order of the commits.
PG_TRANSACTION = "pg_current_xact_id()::text::bigint"
SQLITE_TRANSACTION = (
    "(SELECT 1 + COALESCE((SELECT seq FROM sqlite_sequence WHERE name = '{name}'), 0))"
)
# The time of an entry. An idle session that ended a day ago has no access token left.
PG_TIMES = {"now": "clock_timestamp()", "idle": "clock_timestamp() - interval '1 day'"}
SQLITE_TIMES = {
    "now": "replace(strftime('%Y-%m-%d %H:%M:%f000', 'now'), '.000000', '')",
    "idle": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day')",
}
# A cutoff that is later than the session has an entry of its own.
NOT_CUT_OFF = """NOT EXISTS (SELECT 1 FROM {cutoff}
    WHERE user_id IS NULL AND not_before > {row}.created_at)
AND NOT EXISTS (SELECT 1 FROM {cutoff}
    WHERE user_id = {row}.user_id AND not_before > {row}.created_at)"""
MAY_HAVE_TOKENS = (
    """{row}.expires_at > {now}
AND ({row}.ends_at IS NULL OR {row}.ends_at > {idle}) AND """
    + NOT_CUT_OFF
)
INSERT = """INSERT INTO {feed} ("at", "transaction", "session_id", "user_id", "before")
SELECT {now}, {number}, """
ONE_SESSION = INSERT + "OLD.id, NULL, NULL WHERE " + MAY_HAVE_TOKENS.replace("{row}", "OLD")
OF_TOKEN = (
    INSERT + "s.id, NULL, NULL FROM {session} s WHERE s.current_id = NEW.token_id"
    " AND s.revoked_at IS NULL AND " + MAY_HAVE_TOKENS.replace("{row}", "s")
)
# Once for a statement, which may insert a thousand tokens. The fence keeps to the index.
OF_TOKENS = (
    """{insert} s.id, NULL, NULL FROM added CROSS JOIN LATERAL (SELECT * FROM {session}
    WHERE current_id = added.token_id AND revoked_at IS NULL OFFSET 0) s
WHERE """.replace("{insert}", INSERT)
    + MAY_HAVE_TOKENS.replace("{row}", "s")
)
OF_USER = (
    INSERT + "s.id, NULL, NULL FROM {session} s WHERE s.user_id = NEW.{key}"
    " AND s.revoked_at IS NULL AND " + MAY_HAVE_TOKENS.replace("{row}", "s")
)
OF_CUTOFF = INSERT + "NULL, NEW.user_id, NEW.not_before"
ENDS = """(OLD.revoked_at IS NULL AND (NEW.revoked_at IS NOT NULL
    OR (OLD.current_id IS NOT NULL AND NEW.current_id IS NULL)
    OR (OLD.user_id IS NOT NULL AND {user_changes}) OR NEW.expires_at < OLD.expires_at))"""
PG_FUNCTION = """CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
{act};
RETURN NULL;
END $$"""
PG_TRIGGER = "AFTER {when} EXECUTE FUNCTION {name}()"
SQLITE_TRIGGER = """AFTER {when}
BEGIN
{act};
END"""


def before_migrate(*, using: str, plan: Iterable[tuple[Migration, bool]] = (), **_: object) -> None:
    """Drop the triggers if a migration may change what they name."""
    connection = connections[using]
    if must_go(connection, plan, (get_user_model(), *USED)):
        drop(connection)


def after_migrate(*, using: str, **_: object) -> None:
    """Create the triggers if the tables are there."""
    install(connections[using])


def install(connection: "BaseDatabaseWrapper") -> None:
    """Create the triggers that are missing or have changed."""
    postgresql = connection.vendor == "postgresql"
    words = _words(connection)
    differs = "OLD.{0} IS DISTINCT FROM NEW.{0}" if postgresql else "OLD.{0} IS NOT NEW.{0}"
    ends = ENDS.format(user_changes=differs.format("user_id"))
    changed = differs.format(words["password"])
    triggers = {
        SESSION_ENDED: ("session", f"UPDATE ON {{table}} FOR EACH ROW WHEN ({ends})", ONE_SESSION),
        SESSION_GONE: (
            *("session", "DELETE ON {table} FOR EACH ROW WHEN (OLD.revoked_at IS NULL)"),
            ONE_SESSION,
        ),
        BLACKLISTED: ("blacklist", "INSERT ON {table} FOR EACH ROW", OF_TOKEN),
        CUT_OFF: ("cutoff", "INSERT ON {table} FOR EACH ROW", OF_CUTOFF),
        PASSWORD: ("user", f"UPDATE ON {{table}} FOR EACH ROW WHEN ({changed})", OF_USER),
    }
    if postgresql:
        inserted = "INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
        triggers[BLACKLISTED] = ("blacklist", inserted, OF_TOKENS)
    # In one transaction, so that no change is missed.
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        if not present >= {model._meta.db_table for model in (_password().model, *USED)}:
            return
        for name, (table, when, act) in triggers.items():
            given = {"name": name, "act": act.format(**words)}
            given["when"] = when.format(table=words[table])
            if postgresql:
                cursor.execute(PG_FUNCTION.format(**given))
            definition = (PG_TRIGGER if postgresql else SQLITE_TRIGGER).format(**given)
            ensure_trigger(connection, name=name, table=words[table], definition=definition)


def drop(connection: "BaseDatabaseWrapper") -> None:
    """Drop the triggers, if they exist."""
    with connection.cursor() as cursor:
        for name in NAMES:
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


@contextmanager
def sessions_kept(*, user_key: int | str) -> Iterator[None]:
    """Take back the entries of a changed password that ends nothing: its hash is upgraded.

    The caller is in a transaction, so no service has seen them.
    """
    before = _transaction_number()
    yield
    own = (
        {"transaction": before}
        if connection.vendor == "postgresql"
        else {"transaction__gte": before}
    )
    sessions = Session.objects.filter(Q(user=user_key)).values("pk")
    FeedEntry.objects.filter(session_id__in=sessions, **own).delete()


def _transaction_number() -> int:
    postgresql = connection.vendor == "postgresql"
    number = PG_TRANSACTION if postgresql else SQLITE_TRANSACTION
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {number.format(name=FeedEntry._meta.db_table)}")
        return int(cursor.fetchone()[0])


USED = (BlacklistedToken, Cutoff, FeedEntry, Session)


def _password() -> "CharField[str | int | Combinable, str]":
    """Return the field of the stored password; the user model may inherit it from a table."""
    return get_user_model()._meta.get_field("password")


def _words(connection: "BaseDatabaseWrapper") -> dict[str, str]:
    """Return the parts of the statements."""
    quote = connection.ops.quote_name
    postgresql = connection.vendor == "postgresql"
    password, feed = _password(), FeedEntry._meta.db_table
    number = PG_TRANSACTION if postgresql else SQLITE_TRANSACTION.format(name=feed)
    return {
        "feed": quote(feed),
        "session": quote(Session._meta.db_table),
        "cutoff": quote(Cutoff._meta.db_table),
        "blacklist": quote(BlacklistedToken._meta.db_table),
        "user": quote(password.model._meta.db_table),
        "password": quote(str(password.column)),
        "key": quote(str(password.model._meta.pk.column)),
        "number": number,
        **(PG_TIMES if postgresql else SQLITE_TIMES),
    }
