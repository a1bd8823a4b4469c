"""Know the tables of all installed apps, in an order that their constraints allow."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import AutoField, Field, ForeignKey, Model

from tokens.management.moving.values import Kind, kind_of
from tokens.models import FeedEntry

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# The number of a transaction means nothing in another database, see `tokens.db.revocation_feed`.
# In PostgreSQL the last transaction of the move gives one to every entry. SQLite numbers
# transactions by the ids of entries.
FEED_NUMBER = {"postgresql": "0", "sqlite": "id"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column. ``moved`` is the SQL of what the source gives in place of it, if anything."""

    name: str
    kind: Kind
    moved: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the columns of its key.

    ``needs`` names the tables that its foreign keys refer to.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    needs: frozenset[str]
    numbers_itself: bool


def all_tables(source: "BaseDatabaseWrapper", target: "BaseDatabaseWrapper") -> list[Table]:
    """Return the tables of all models, those between two others included."""
    postgresql = source if source.vendor == "postgresql" else target
    models = [model for model in apps.get_models(include_auto_created=True) if _is_moved(model)]
    return [_table(model, postgresql, target.vendor) for model in models]


def _is_moved(model: type[Model]) -> bool:
    meta = model._meta
    here = router.allow_migrate_model(DEFAULT_DB_ALIAS, model)
    return meta.managed and not meta.proxy and not meta.swapped and here


def _table(model: type[Model], postgresql: "BaseDatabaseWrapper", vendor: str) -> Table:
    meta = model._meta
    columns = {
        field: _column(field, postgresql, vendor)
        for field in meta.local_concrete_fields
        if not getattr(field, "generated", False)
    }
    needed = (
        field.target_field.model._meta.db_table
        for field in columns
        if isinstance(field, ForeignKey) and getattr(field, "db_constraint", True)
    )
    return Table(
        name=meta.db_table,
        columns=tuple(columns.values()),
        key=tuple(columns[field] for field in meta.pk_fields),
        needs=frozenset(needed),
        numbers_itself=isinstance(meta.pk, AutoField),
    )


def _column(field: "Field[Any, Any]", postgresql: "BaseDatabaseWrapper", vendor: str) -> Column:
    db_type = field.db_type(postgresql) or ""
    kind = kind_of(db_type)
    if kind is None:
        table = field.model._meta.db_table
        raise CommandError(f"{table}.{field.column} is {db_type}, which can't be moved.")
    is_number = field == FeedEntry._meta.get_field("transaction")
    return Column(str(field.column), kind, FEED_NUMBER[vendor] if is_number else None)


def in_order(tables: Iterable[Table]) -> list[list[Table]]:
    """Return groups of tables: each refers to tables of earlier groups, and of its own.

    A group of several tables, or of one that refers to itself, is copied in one transaction, at
    whose end the constraints are checked.
    """
    left = {table.name: table for table in tables}
    groups: list[list[Table]] = []
    while left:
        free = [t for t in left.values() if left.keys().isdisjoint(t.needs - {t.name})]
        # Tables in a circle are one group, with those that refer to them.
        groups += [[table] for table in free] or [list(left.values())]
        for table in free or list(left.values()):
            del left[table.name]
    return groups
