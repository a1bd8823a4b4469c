"""Accounts, found by name or e-mail address."""

from typing import Any

from django.contrib.auth import get_user_model

from tokens.selectors.matching import matching_users
from tokens.selectors.paging import Listing


def people(*, q: str = "") -> Listing[Any]:
    """Accounts whose user name or e-mail address is, or starts with, ``q``; newest first."""
    accounts = get_user_model()._default_manager.all()
    if q.strip():
        accounts = accounts.filter(pk__in=matching_users(q.strip()))
    return Listing(rows=accounts, key=("pk",))
