"""Snapshot the rows about tokens, and put faults between the code and the database."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.db import OperationalError, connection

from tokens.models import (
    BlacklistedToken,
    Cutoff,
    Event,
    EventWindow,
    Kind,
    OutstandingToken,
    Refusal,
    RevokedSession,
    Session,
    SessionOrigin,
    SessionToken,
)
from tokens.models.kinds import ACCESS

MODELS = (
    *(BlacklistedToken, Cutoff, Event, OutstandingToken, RevokedSession, Session, SessionOrigin),
    SessionToken,
)


def snapshot() -> dict[str, list[Any]]:
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


# Kinds whose act changes nothing: all of them are accesses.
LOOKS = tuple(kind for kind in Kind if kind.traits.ecs is ACCESS)
# Who is logged in to the pages is kept there, and touched by looking.
NOT_COUNTED = {"Session": "sessions", "ContentType": "contenttypes"}


def everything(*, leaving_out: Collection[Kind] = ()) -> dict[str, list[Any]]:
    """Every row of every table, ours or not, without the events of the kinds ``leaving_out``."""
    found = {}
    for model in apps.get_models():
        if NOT_COUNTED.get(model.__name__) == model._meta.app_label:
            continue
        if model is Refusal:
            continue  # a refused call is remembered, and changes nothing else
        if model is EventWindow and leaving_out:
            continue  # it counts these events
        rows = model._default_manager.order_by("pk")
        if model is Event and leaving_out:
            rows = rows.exclude(kind__in=leaving_out)
        found[model._meta.label] = list(rows.values())
    return found


@contextmanager
def fault_before(statement: int) -> Iterator[list[str]]:
    """Lose the database just before a statement, counted from 0.

    A COMMIT counts too. Yield the list of the statements that were sent.
    """
    seen: list[str] = []
    database: Any = connection
    commit = database._commit

    def next_is(sql: str) -> None:
        seen.append(sql)
        if len(seen) > statement:
            raise OperationalError("the database went away")

    def strike(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        next_is(sql)
        return execute(sql, params, many, context)

    def strike_at_commit() -> None:
        next_is("COMMIT")
        commit()

    with (
        connection.execute_wrapper(strike),
        patch.object(connection, "_commit", strike_at_commit),
    ):
        yield seen


@contextmanager
def events_refused() -> Iterator[None]:
    """Make the event table refuse rows, as with a full disk or missing privileges."""
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
