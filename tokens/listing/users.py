"""The list of users, and the lookup of one user by name."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import (
    DateTimeField,
    Exists,
    F,
    Field,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextChoices,
)
from django.db.models.lookups import Exact
from django.db.models.manager import BaseManager
from django.utils.translation import gettext_lazy

from tokens.db.statements import Columns, fetch_one
from tokens.listing.columns import API, TABLE, Column, ColumnType
from tokens.listing.pagination import Listing, unchanged
from tokens.listing.query import FilterType, ListQuery, Text, declare
from tokens.listing.search import matching_users, user_key
from tokens.listing.status import has_field
from tokens.models import Session

Users = QuerySet[AbstractBaseUser]
# No index knows which users are active, or were lately, so a page looks at up to this many rows
# of one table.
LOOK = 20_000
# How many holders of a permission are named.
HOLDERS = 5


class Account(TextChoices):
    """The status of a user's account."""

    ACTIVE = "active", gettext_lazy("active")
    INACTIVE = "inactive", gettext_lazy("not active")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuery(ListQuery[AbstractBaseUser]):
    """The list of users, the newest first.

    Each user has ``used_at`` and ``used_from``: the instant and the user agent of the last use
    of a session.
    """

    noun: ClassVar[Text] = gettext_lazy("accounts")
    q: str = declare(
        "",
        type=FilterType.SEARCH,
        label=gettext_lazy("Search"),
        words=gettext_lazy("matching “%s”"),
        help="a user name or an e-mail address, or the start of one",
        max_length=300,
    )
    status: str = declare(
        "",
        type=FilterType.CHOICE,
        label=gettext_lazy("Status"),
        words=gettext_lazy("with the status “%s”"),
        help="status of the account",
        any_label=gettext_lazy("Any status"),
        choices=tuple((status.value, status.label) for status in Account),
    )
    used_within: str = declare(
        "",
        type=FilterType.PERIOD,
        label=gettext_lazy("Last used"),
        words=gettext_lazy("with a session used %s"),
        help="when a session of the account was used: a time span up to now",
        range="used",
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column("id", API, type=ColumnType.ACCOUNT_KEY, path="pk", example=7),
        Column(
            "username",
            TABLE | API,
            label=gettext_lazy("User"),
            path="get_username",
            cell="account",
            heads=True,
            example="alice",
        ),
        Column(
            "email",
            TABLE | API,
            label=gettext_lazy("E-mail"),
            cell="email",
            example="alice@example.com",
        ),
        Column("used_at", TABLE, type=ColumnType.INSTANT, label=gettext_lazy("Last used")),
        Column("used_from", TABLE, label=gettext_lazy("Device"), cell="agent"),
        Column(
            "is_active",
            TABLE | API,
            type=ColumnType.BOOLEAN,
            label=gettext_lazy("Account"),
            cell="account_status",
            example=True,
        ),
        Column("is_staff", API, type=ColumnType.BOOLEAN, example=False),
        Column("last_login", API, type=ColumnType.INSTANT, null=True),
        Column("date_joined", API, type=ColumnType.INSTANT, example="2026-01-05T10:00:00Z"),
    )

    def listing(self) -> Listing[AbstractBaseUser]:
        """Return the users, to be paged through."""
        accounts: Users = get_user_model()._default_manager.all()
        if self.unsatisfiable or self.status not in ("", *Account):
            return Listing(rows=accounts.none(), key=("pk",))
        if self.q:
            accounts = accounts.filter(pk__in=matching_users(self.q))

        since, _until = self.limits("used")

        def narrowed(rows: Users) -> Users:
            if since is not None:
                used = Session.objects.filter(user=OuterRef("pk"), last_used_at__gte=since)
                rows = rows.filter(Exists(used))
            if not self.status:
                return rows
            wanted = self.status == Account.ACTIVE
            if has_field("is_active"):
                return rows.filter(Q(is_active=wanted))
            return rows if wanted else rows.none()

        return Listing(
            rows=accounts,
            key=("pk",),
            finish=_with_last_use,
            coarse=narrowed if self.status or since else unchanged,
            look=LOOK,
            mark=self.mark,
        )


def _with_last_use(accounts: Users) -> Users:
    latest = Session.objects.filter(user=OuterRef("pk")).order_by("-last_used_at", "-id")
    # By its own name, Django would order by the value as it is read, without the index.
    at = latest.values(at=F("last_used_at"))[:1]
    annotated: Users = accounts.annotate(
        used_at=Subquery(at, output_field=DateTimeField()),
        used_from=Subquery(latest.values("user_agent")[:1]),
    )
    return annotated


def user_rows(*, keys: Collection[object]) -> list[AbstractBaseUser]:
    """Return several users as the list shows them, in the order of their keys."""
    accounts: Users = get_user_model()._default_manager.filter(Q(pk__in=keys))
    return list(_with_last_use(accounts).order_by("pk"))


def account_named(*, name: str) -> AbstractBaseUser | None:
    """Return the user who logs in as ``name``."""
    model = get_user_model()
    if (lookup := _lookup(model, model.USERNAME_FIELD)) is None:
        try:
            found: AbstractBaseUser = model._default_manager.get_by_natural_key(name)
        except (model.DoesNotExist, model.MultipleObjectsReturned):
            return None
        return found
    row = fetch_one(lookup.sql, [name], binary=lookup.account.binary)
    return lookup.account.instance(row) if row is not None else None


def account_with_key(text: str) -> AbstractBaseUser | None:
    """Return the user whose primary key is ``text``; None if no key is written like that."""
    key = user_key(text)
    if key is None:
        return None
    found: AbstractBaseUser | None = get_user_model()._default_manager.filter(pk=key).first()
    return found


def holders(*, permission: str, most: int = HOLDERS) -> list[str]:
    """Return the names of active accounts that were given ``permission``, also by a group.

    Superusers have every permission and are not listed: no index finds them.
    """
    accounts: Users = get_user_model()._default_manager.all()
    if not (has_field("groups") and has_field("user_permissions")):
        return []
    label, codename = permission.split(".")
    given = list(Permission.objects.filter(content_type__app_label=label, codename=codename))
    by_group = accounts.filter(Q(groups__permissions__in=given))
    directly = accounts.filter(Q(user_permissions__in=given))
    keys = {
        key for found in (directly, by_group) for key in found.values_list("pk", flat=True)[:most]
    }
    active = Q(is_active=True) if has_field("is_active") else Q()
    named = accounts.filter(active, pk__in=keys).order_by("pk")
    return [user.get_username() for user in named[:most]]


class _Lookup:
    def __init__(self, model: type[AbstractBaseUser], column: str) -> None:
        quote = connection.ops.quote_name
        self.account = Columns(model, "u")
        name, table = quote(column), quote(model._meta.db_table)
        self.sql = f"SELECT {self.account.sql} FROM {table} u WHERE u.{name} = %s"  # noqa: S608


@lru_cache(maxsize=1)
def _lookup(model: type[AbstractBaseUser], username_field: str) -> _Lookup | None:
    """Prepare the statement once.

    Return None where the project's user model needs the ORM: its manager hides accounts or finds
    names in its own way, its name field compares in its own way, or it has parent tables.
    """
    name = model._meta.get_field(username_field)
    if (
        isinstance(name, Field)
        and name.get_lookup("exact") is Exact
        and type(model._default_manager).get_queryset is BaseManager.get_queryset
        and type(model._default_manager.all()) is QuerySet
        and getattr(type(model._default_manager), "get_by_natural_key", None)
        is BaseUserManager.get_by_natural_key
        and not model._meta.parents
    ):
        return _Lookup(model, str(name.column))
    return None


def superusers() -> Users:
    """Return the superusers. A user model without that column has none."""
    accounts: Users = get_user_model()._default_manager.order_by()
    return accounts.filter(Q(is_superuser=True)) if has_field("is_superuser") else accounts.none()
