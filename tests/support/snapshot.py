"""What the database holds about tokens, to show that nothing of it changed; and faults put
between our code and the database, where a real one would strike."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

from tokens.models import BlacklistedToken, Cutoff, Event, OutstandingToken, Session, SessionToken

MODELS = (BlacklistedToken, Cutoff, Event, OutstandingToken, Session, SessionToken)


def snapshot() -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


@contextmanager
def fault_before(statement: int) -> Iterator[list[str]]:
    """Lose the database just before the statement with that number, counted from 0. Gives the
    list of the statements that came."""
    seen: list[str] = []

    def strike(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        if len(seen) > statement:
            raise OperationalError("the database went away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(strike):
        yield seen


@contextmanager
def events_refused() -> Iterator[None]:
    """The table of events takes no row, as when its disk is full or its rights are gone."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER refuse_events BEFORE INSERT ON tokens_event "
                "BEGIN SELECT RAISE(ABORT, 'no space left'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION refuse_events() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER refuse_events BEFORE INSERT ON tokens_event "
                "FOR EACH ROW EXECUTE FUNCTION refuse_events()"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("DROP TRIGGER refuse_events")
            else:
                cursor.execute("DROP FUNCTION refuse_events() CASCADE")
