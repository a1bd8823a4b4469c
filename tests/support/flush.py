"""A transactional test ends with a flush, which the guards of the audit trail refuse: they are
dropped for it and installed again, and what migrations had put into the tables comes back."""

from importlib.util import find_spec
from typing import Any

from django.db import connection
from django.test import TransactionTestCase

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def _fixture_teardown(self: Any) -> None:
    from django.apps import apps

    if find_spec("tokens.audit.guards") is None:
        _flush(self)
        return
    from tokens.audit import guards

    guards.drop(connection)
    _flush(self)
    guards.install(connection)
    restore_groups(apps)


def restore_groups(apps: Any) -> None:
    """Filled in below from the migration that makes the groups."""


def patch() -> None:
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]
