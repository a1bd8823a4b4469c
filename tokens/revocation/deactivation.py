"""Have the database end the tokens of accounts that are deactivated without Django's signals.

`QuerySet.update`, `bulk_update` and plain SQL send no signal. A trigger on the user model's table
then sets a cutoff and writes the event, so a reactivated account gets no token and no browser
session back. It does nothing if the receivers in `tokens.signals` have ended everything before.

`manage.py migrate` drops the trigger before it changes what it names, and creates it again
afterwards. Other migrations leave it, for hosts that serve at the same time.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.migrations import Migration
from django.db.models import AutoField, BooleanField, Field, Model

from tokens.db.triggers import ensure_trigger, must_go
from tokens.models import BlacklistedToken, Cutoff, Event, Kind, OutstandingToken, Session
from tokens.models.reasons import Reason

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

AnyField: TypeAlias = "Field[Any, Any]"
NAME = "tokens_user_deactivated"
REPLACED = "tokens_user_replaced"
USED = (BlacklistedToken, Cutoff, Event, OutstandingToken, Session)

LIVE = (
    "SELECT {what} FROM {outstanding} o WHERE o.user_id = NEW.{key} AND o.expires_at > {now} "
    "AND NOT EXISTS (SELECT 1 FROM {blacklist} b WHERE b.token_id = o.id)"
)
# Nothing was opened since the last deactivation. The event tells it from other cutoffs, not the
# reason, which people can type.
SETTLED = (
    "EXISTS (SELECT 1 FROM {cutoff_table} c JOIN {event_table} e ON e.subject_id = c.user_id "
    "WHERE c.user_id = NEW.{key}{after_last_login} AND e.kind = '{kind}' AND e.at >= c.created_at "
    "AND NOT EXISTS (SELECT 1 FROM {session} s WHERE s.user_id = NEW.{key} "
    "AND s.created_at > e.at)) AND NOT EXISTS ({live})"
)
# The account was there before its row was inserted.
KNOWN = "(EXISTS (SELECT 1 FROM {event_table} k WHERE k.subject_id = NEW.{key}) OR EXISTS ({live}))"
AFTER_LAST_LOGIN = " AND (NEW.{last_login} IS NULL OR c.not_before > NEW.{last_login})"
NEWEST_SESSION = "(SELECT MAX(s.created_at) FROM {session} s WHERE s.user_id = NEW.{key})"
PG_FUNCTION = """CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT ({settled}) THEN
        {cutoff};
        {event};
    END IF;
    RETURN NULL;
END $$"""
# It names no column: a project's own trigger may clear ``is_active`` when another one is updated.
PG_TRIGGER = """AFTER UPDATE ON {user} FOR EACH ROW
WHEN (OLD.{active} AND NOT NEW.{active}) EXECUTE FUNCTION {name}()"""
SQLITE_TRIGGER = """AFTER UPDATE OF {active} ON {user} FOR EACH ROW
WHEN OLD.{active} AND NOT NEW.{active} AND NOT ({settled})
BEGIN
    {cutoff};
    {event};
END"""
# INSERT OR REPLACE deletes the old row without running a trigger.
SQLITE_REPLACED = """AFTER INSERT ON {user} FOR EACH ROW
WHEN NOT NEW.{active} AND {known} AND NOT ({settled})
BEGIN
    {cutoff};
    {event};
END"""


def before_migrate(*, using: str, plan: Iterable[tuple[Migration, bool]] = (), **_: object) -> None:
    """Drop the trigger if a migration may change what it names."""
    connection = connections[using]
    if must_go(connection, plan, (get_user_model(), *USED)):
        drop(connection)


def after_migrate(*, using: str, **_: object) -> None:
    """Create the trigger if the tables are there."""
    install(connections[using])


def install(connection: "BaseDatabaseWrapper") -> None:
    """Create the trigger if it is missing or has changed.

    A user model without a column ``is_active`` gets none.
    """
    active = _column_of_user("is_active")
    if not isinstance(active, BooleanField) or not _all_present(connection, active.model):
        return
    words = _words(connection, active)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(PG_FUNCTION.format(**words))
        triggers = {NAME: PG_TRIGGER}
    else:
        triggers = {NAME: SQLITE_TRIGGER, REPLACED: SQLITE_REPLACED}
    for name, trigger in triggers.items():
        definition = trigger.format(**words)
        ensure_trigger(connection, name=name, table=words["user"], definition=definition)


def drop(connection: "BaseDatabaseWrapper") -> None:
    """Drop the trigger, if it exists."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP FUNCTION IF EXISTS {NAME}() CASCADE")
        else:
            for name in (NAME, REPLACED):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def _column_of_user(name: str) -> "AnyField | None":
    try:
        field = get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) and field.column else None


def _all_present(connection: "BaseDatabaseWrapper", user: type[Model]) -> bool:
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
    return present >= {model._meta.db_table for model in (user, *USED)}


def _words(connection: "BaseDatabaseWrapper", active: AnyField) -> dict[str, str]:
    """Return the parts of the statements."""
    quote = connection.ops.quote_name
    postgresql = connection.vendor == "postgresql"
    user = active.model
    words = {
        "name": NAME,
        "user": quote(user._meta.db_table),
        "active": quote(str(active.column)),
        "key": quote(str(user._meta.pk.column)),
        "outstanding": quote(OutstandingToken._meta.db_table),
        "blacklist": quote(BlacklistedToken._meta.db_table),
        "cutoff_table": quote(Cutoff._meta.db_table),
        "event_table": quote(Event._meta.db_table),
        "session": quote(Session._meta.db_table),
        "kind": Kind.USER_DEACTIVATED.value,
        "now": "clock_timestamp()" if postgresql else _sqlite_time("'now'"),
        "after_last_login": "",
    }
    last_login = _column_of_user("last_login")
    if last_login is not None and last_login.model is user:
        words["last_login"] = quote(str(last_login.column))
        words["after_last_login"] = AFTER_LAST_LOGIN.format(**words)
    count = f"({LIVE.format(what='COUNT(*)', **words)})"
    words["live"] = LIVE.format(what="1", **words)
    words["settled"] = SETTLED.format(**words)
    words["known"] = KNOWN.format(**words)
    not_before = _not_before(words, postgresql=postgresql)
    name = _column_of_user(get_user_model().USERNAME_FIELD)
    named = name is not None and name.model is user
    words["event"] = _insert(
        connection,
        Event,
        at=words["now"],
        kind=f"'{Kind.USER_DEACTIVATED.value}'",
        subject=f"NEW.{words['key']}",
        subject_name=_text(f"NEW.{quote(str(name.column))}") if named and name else "''",
        reason=f"'{Reason.USER_DEACTIVATED_IN_DATABASE}'",
        count=count,
    )
    words["cutoff"] = _insert(
        connection,
        Cutoff,
        user=f"NEW.{words['key']}",
        not_before=not_before,
        created_at=words["now"],
        reason=f"'{Reason.USER_DEACTIVATED_IN_DATABASE}'",
    )
    return words


def _text(column: str) -> str:
    return f"SUBSTR(CAST({column} AS text), 1, 254)"


def _not_before(words: dict[str, str], *, postgresql: bool) -> str:
    """Return the SQL of an instant after all that was opened, even if another clock is ahead."""
    opened = [NEWEST_SESSION.format(**words)]
    opened += [f"NEW.{words['last_login']}"] if "last_login" in words else []
    if postgresql:
        later = [f"{instant} + interval '1 microsecond'" for instant in opened]
        return f"GREATEST({', '.join([words['now'], *later])})"
    # SQLite counts milliseconds.
    instants = ["'now'", *opened]
    later = [_sqlite_time(f"{at}, '+0.001 seconds'") for at in instants]
    return f"MAX({', '.join(f'''COALESCE({text}, '')''' for text in later)})"


def _sqlite_time(arguments: str) -> str:
    """Return the SQL of a time, as Django writes it: six digits, or none for a whole second."""
    return f"replace(strftime('%Y-%m-%d %H:%M:%f000', {arguments}), '.000000', '')"


def _insert(connection: "BaseDatabaseWrapper", model: type[Model], **given: str) -> str:
    """Return an INSERT of one row; the columns that are not given get the model's defaults."""
    quote = connection.ops.quote_name
    fields = [f for f in model._meta.local_concrete_fields if not isinstance(f, AutoField)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join(given.get(field.name) or _default(field) for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({values})"  # noqa: S608


def _default(field: AnyField) -> str:
    if field.null:
        return "NULL"
    value = field.get_default()
    return {dict: "'{}'", list: "'[]'", int: str(value)}.get(type(value), "''")
