"""A transactional test ends with a flush, which the guards of the audit trail refuse: they are
dropped for it and installed again, and the groups that a migration had made come back."""

from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from django.db import connection
from django.test import TransactionTestCase

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def _fixture_teardown(self: Any) -> None:
    from django.apps import apps

    if find_spec("tokens.audit.guards") is None:
        _flush(self)
    else:
        guards = import_module("tokens.audit.guards")
        guards.drop(connection)
        _flush(self)
        guards.install(connection)
    groups = import_module("tokens.migrations.0002_groups")
    groups.make_groups(apps, SimpleNamespace(connection=connection))


def patch() -> None:
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]
