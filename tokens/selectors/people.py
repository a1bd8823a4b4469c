"""Accounts, found by name or e-mail address."""

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery, TextChoices
from django.db.models.lookups import Exact
from django.db.models.manager import BaseManager
from django.utils.translation import gettext_lazy as _

from tokens.models import Session
from tokens.selectors.matching import matching_users
from tokens.selectors.paging import Listing, unchanged
from tokens.selectors.statement import Columns, fetch_one

# No index knows who is active. An account is one look at its row, with no other table asked.
LOOK = 20_000


class Account(TextChoices):
    ACTIVE = "active", _("active")
    INACTIVE = "inactive", _("not active")


def people(*, q: str = "", status: str = "") -> Listing[Any]:
    """Accounts whose user name or e-mail address is, or starts with, ``q``; newest first; each
    with ``used_at`` and ``used_from``, when and with what a session of theirs was used last.
    One page looks through a bounded stretch for those of a ``status`` (`Account`)."""
    accounts = get_user_model()._default_manager.all()
    if q.strip():
        accounts = accounts.filter(pk__in=matching_users(q.strip()))

    def of_status(rows: "QuerySet[Any]") -> "QuerySet[Any]":
        return rows.filter(is_active=status == Account.ACTIVE)

    return Listing(
        rows=accounts,
        key=("pk",),
        finish=_with_last_use,
        coarse=of_status if status else unchanged,
        look=LOOK,
    )


def _with_last_use(accounts: "QuerySet[Any]") -> "QuerySet[Any]":
    latest = Session.objects.filter(user=OuterRef("pk")).order_by("-last_used_at", "-id")
    annotated: QuerySet[Any] = accounts.annotate(
        used_at=Subquery(latest.values("last_used_at")[:1]),
        used_from=Subquery(latest.values("user_agent")[:1]),
    )
    return annotated


def account_named(*, name: str) -> Any | None:
    """The account that logs in as ``name``, None if there is none."""
    model = get_user_model()
    if (lookup := _lookup(model)) is None:
        return model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    row = fetch_one(lookup.sql, [name], binary=lookup.account.plain)
    return lookup.account.instance(row) if row is not None else None


class _Lookup:
    def __init__(self, model: Any) -> None:
        quote = connection.ops.quote_name
        self.account = Columns(model, "u")
        name = quote(str(model._meta.get_field(model.USERNAME_FIELD).column))
        table = quote(model._meta.db_table)
        self.sql = f"SELECT {self.account.sql} FROM {table} u WHERE u.{name} = %s"  # noqa: S608


@lru_cache(maxsize=1)
def _lookup(model: Any) -> _Lookup | None:
    """A statement made once; None where the project's own user model has a way of its own: a
    manager that hides accounts, a field that compares otherwise, a table for each parent."""
    ordinary = (
        type(model._default_manager).get_queryset is BaseManager.get_queryset
        and model._default_manager._queryset_class is QuerySet
        and model._meta.get_field(model.USERNAME_FIELD).get_lookup("exact") is Exact
        and not model._meta.parents
    )
    return _Lookup(model) if ordinary else None
