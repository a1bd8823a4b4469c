"""A transaction around a part of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def trial() -> Iterator[None]:
    """Run the block in a transaction and roll it back.

    Like the transactions of Django's `TestCase`, it may contain durable blocks.
    """
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)
