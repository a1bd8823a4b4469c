"""Accounts, found by name or e-mail address."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import OuterRef, QuerySet, Subquery

from tokens.models import Session
from tokens.selectors.matching import matching_users
from tokens.selectors.paging import Listing


def people(*, q: str = "") -> Listing[Any]:
    """Accounts whose user name or e-mail address is, or starts with, ``q``; newest first; each
    with ``used_at`` and ``used_from``, when and with what a session of theirs was used last."""
    accounts = get_user_model()._default_manager.all()
    if q.strip():
        accounts = accounts.filter(pk__in=matching_users(q.strip()))
    return Listing(rows=accounts, key=("pk",), finish=_with_last_use)


def _with_last_use(accounts: "QuerySet[Any]") -> "QuerySet[Any]":
    latest = Session.objects.filter(user=OuterRef("pk")).order_by("-last_used_at", "-id")
    annotated: QuerySet[Any] = accounts.annotate(
        used_at=Subquery(latest.values("last_used_at")[:1]),
        used_from=Subquery(latest.values("user_agent")[:1]),
    )
    return annotated
